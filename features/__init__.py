"""Ontime's features as they are computed of what is known, by the training and by the backend: pure, standard library."""
