"""Log lines, understood as far as they can be."""
