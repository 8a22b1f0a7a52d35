"""The services' buildspecs, and what they call."""
