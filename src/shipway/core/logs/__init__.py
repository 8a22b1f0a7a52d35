"""Log lines, parsed as far as their format is known."""
