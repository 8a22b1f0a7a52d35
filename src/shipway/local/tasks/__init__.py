"""Tasks as processes: starting, watching and probing them."""
