"""Files: written atomically, locked, bounded in size, private."""
