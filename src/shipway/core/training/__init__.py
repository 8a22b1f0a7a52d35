"""Training a model anew: its steps, and whether what comes out may take the old model's place."""
