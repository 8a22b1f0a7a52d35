"""What hands values out, to those alone who start programs with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

Values = Callable[[str, Sequence[str]], Mapping[str, str]]
"""Environment and names → the values of these secrets. Raises ShipwayError when one has none."""


def no_values(_environment: str, _names: Sequence[str]) -> Mapping[str, str]:
    """Where nothing has secrets."""
    return {}
