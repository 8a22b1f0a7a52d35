"""Plays an app's own story against the real command line, under load, and counts every lost request."""
