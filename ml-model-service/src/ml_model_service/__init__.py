"""Serves one model version at a time over HTTP and changes it without a restart."""
