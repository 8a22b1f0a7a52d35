"""Reads shipway.yaml: from its bytes to the app that they describe, each mistake with its line."""
