"""What the program refuses."""


class Problem(Exception):
    """What was wrong, where, and what is allowed: for a person to read."""
