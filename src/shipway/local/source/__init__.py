"""The app's repository, read through git: commits only."""
