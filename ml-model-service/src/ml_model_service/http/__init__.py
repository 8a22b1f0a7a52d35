"""HTTP/1.1: `messages` is all that the other rooms see of it; `server` could be replaced by another."""
