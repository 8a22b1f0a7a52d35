"""What observations prove: error rates, latencies, predictions, labels."""
