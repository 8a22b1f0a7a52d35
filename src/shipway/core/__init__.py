"""The rules: pure values and decisions. No I/O, no clock, no randomness; time arrives in observations."""
