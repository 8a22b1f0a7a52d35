"""Bundles of the app that devices run, on this machine: how they are built, where they lie, what devices are offered."""
