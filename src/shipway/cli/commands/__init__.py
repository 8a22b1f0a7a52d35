"""One module for each family of commands: parse, call, render."""
