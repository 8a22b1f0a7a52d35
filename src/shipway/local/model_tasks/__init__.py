"""What tasks that serve a model are told, and what they report."""
