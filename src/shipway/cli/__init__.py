"""The command line: parse, call, render. Nothing else."""
