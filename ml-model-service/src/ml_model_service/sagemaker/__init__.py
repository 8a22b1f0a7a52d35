"""What SageMaker asks beyond predictions: its multi-model containers and its Runtime API."""
