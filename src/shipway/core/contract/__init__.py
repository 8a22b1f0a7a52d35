"""What the platform, the model service and model packaging must agree on, written once.

The model service has this folder by a link (`include` in shipway.yaml). So it needs nothing but the standard library,
imports relatively, and raises ValueError alone, which each side turns into an error of its own.
"""
