"""The daemon's HTTP API on a Unix socket: the same verbs as the command line."""
