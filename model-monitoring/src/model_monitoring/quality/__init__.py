"""How good predictions were, by what came true: SageMaker's metrics of three kinds of problems, and our calibration."""
