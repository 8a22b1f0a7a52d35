"""Durable runs: source, build, release, gates, rollouts, written against `shipway.core.ports`."""
