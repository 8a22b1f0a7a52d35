"""Secrets: what their names and values may be, which services name them, and what of them texts may show."""
