"""The verbs of a desk as one table of JSON calls. No transport: whoever carries a call finds the verb by its path."""
