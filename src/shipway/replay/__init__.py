"""Plays what happened in a past time against an app that runs here: requests, feature records, outcomes, months of data."""
