"""Converts, checks and scores models with the libraries that made them: a program in an environment of its own."""
