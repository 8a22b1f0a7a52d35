"""What is wrong with what the program was given."""

from __future__ import annotations


class Problem(Exception):
    """A mistake in the input: what it is, in one line, with what is allowed."""
