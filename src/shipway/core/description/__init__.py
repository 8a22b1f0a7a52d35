"""The one description of an app, and the grammar of its texts."""
