"""Captured predictions and their labels. Reads files only; knows no rollout and no target."""
