"""Shipway: an app team's mobile app, backend and model, from commit to production without dropping a request."""

__version__ = "0.1.0"
