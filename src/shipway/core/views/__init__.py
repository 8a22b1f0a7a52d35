"""What verbs answer with: frozen, of core's records, the same for every target."""
