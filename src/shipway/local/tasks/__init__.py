"""Tasks as processes: what starts them, watches them, asks them."""
