"""From a commit to an artifact: environment, tests, sealed tree."""
