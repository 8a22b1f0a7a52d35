"""Secrets on one machine: the key, the sealed values, and what keeps values out of logs."""
