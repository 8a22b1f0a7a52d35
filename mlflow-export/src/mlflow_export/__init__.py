"""Writes a training run to MLflow."""
