"""What this machine stores, and what of it is not needed any more."""
