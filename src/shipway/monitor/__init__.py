"""Captured traffic and what came true of it. Reads files only; knows no rollout and no target."""
