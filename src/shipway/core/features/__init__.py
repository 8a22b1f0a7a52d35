"""Records of feature groups: what a group takes, and which of two records is the newer one."""

LARGEST = 350 * 1024
"""Bytes of a record, names and values in UTF-8."""
MOST_AT_ONCE = 100
"""Records that are put, or asked for, by one call."""
