"""shipway.yaml read: its bytes, and the app that they describe, each mistake with its line."""
