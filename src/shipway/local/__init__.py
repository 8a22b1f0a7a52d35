"""The one-machine target: git, builds, task processes, HAProxy, the store, the daemon's life."""
