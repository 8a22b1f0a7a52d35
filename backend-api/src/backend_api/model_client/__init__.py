"""Asks the model: by which route, within which bounds, and what the other route would have said."""
