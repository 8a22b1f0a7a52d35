"""Bundles of the app that devices run: how they go out and come back, their verdict, and whether they fit the API."""
