"""Pure: what the daemon answered → lines of text. Marks are Unicode; `terminal` colours or replaces them."""
