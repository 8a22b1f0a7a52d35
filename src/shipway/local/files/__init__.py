"""Files that are whole, locked, bounded and private."""
