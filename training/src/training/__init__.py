"""Ontime's training programs: prepare, train, evaluate, package."""
