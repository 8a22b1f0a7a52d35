"""Captured predictions and their labels, read from files; knows no rollout and no target.

What is computed of windows of them belongs here (statistics, drift, quality, bias), by a program in an environment of
its own, as model packaging is: the daemon imports no NumPy.
"""
