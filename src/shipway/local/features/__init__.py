"""The online feature store of one machine."""
