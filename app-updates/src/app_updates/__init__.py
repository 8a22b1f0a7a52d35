"""Offers an app's bundles to devices over the air, signed, and counts what became of them."""
