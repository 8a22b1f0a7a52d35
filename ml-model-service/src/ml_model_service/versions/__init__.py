"""Model versions: read, verified, chosen for a request, counted, and changed while the service answers."""
