"""Carries verbs to a desk: over the daemon's socket, or within this process."""
