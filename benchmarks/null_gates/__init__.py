"""How often the gate promotes a model that is no better: `python -m benchmarks.null_gates`."""
