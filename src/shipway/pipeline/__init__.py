"""Durable runs: source, build, release, gates, rollouts, told over the ports of `shipway.core.ports`."""
