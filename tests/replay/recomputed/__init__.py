"""What a replay came to, computed once more: from the buckets and the backend's database alone, with no code of the app.

Runs in the training's environment (numpy, LightGBM), told what the platform reported:
`python -m tests.replay.recomputed < reported.json`. Prints a line for each figure; 1 where one is not what was reported.
"""
