"""What this machine remembers, and what of it nobody needs any more."""
