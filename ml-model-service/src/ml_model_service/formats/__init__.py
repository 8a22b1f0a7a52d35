"""Bytes of a request to the numbers that a model reads, and predictions to bytes: one module a format."""
