"""What the daemon is made of that has no I/O: its loops and its environment."""
