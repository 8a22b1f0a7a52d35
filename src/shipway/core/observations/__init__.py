"""What was seen of tasks, clients, predictions and labels."""
