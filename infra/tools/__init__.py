"""Checks, prices and rehearses what `infra/` describes. None of it is part of Shipway."""
