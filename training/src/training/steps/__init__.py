"""The steps of a training pipeline, a program each. Each has `run(base, options)`; see training.container."""
