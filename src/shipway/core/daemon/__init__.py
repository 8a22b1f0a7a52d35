"""The daemon, without I/O: seen from outside, its environment, its loops, and what it keeps on disk."""
