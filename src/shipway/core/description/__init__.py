"""The one description of an app, and the grammar of its texts."""

DESCRIPTION = "shipway.yaml"
"""The file at the root of an app's repository."""
