"""Outcomes on their way into the monitoring bucket, where they become the labels of what was captured."""
