"""The one description of an app, and the grammar of its texts."""

DESCRIPTION = "shipway.yaml"
"""The file at the root of an app's repository."""

VARIABLE = r"[A-Za-z_][A-Za-z0-9_]{0,99}"
"""The name of an environment variable."""
