"""What the rules and the pipeline need from the world. Targets implement these; `wiring` joins them."""
