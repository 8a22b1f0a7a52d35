"""Data capture: what was asked and answered, in SageMaker's format, to files for the monitors."""
