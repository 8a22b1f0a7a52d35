"""What clients saw in the last minutes, and when it is too bad to be silent about."""

from __future__ import annotations

import pytest

from shipway.core.description.app import Guard
from shipway.core.verdicts.lately import Lately, together


@pytest.mark.parametrize(
    ("requests", "errors", "fails"),
    [(150, 150, True), (8, 8, True), (8, 4, True), (7, 7, False), (0, 0, False), (1000, 0, False), (1000, 60, False),
     (1000, 90, True), (20, 2, False)],
)  # fmt: skip
def test_failing_is_surely_more_than_the_guard_lets_pass(requests: int, errors: int, fails: bool) -> None:
    """Without anybody to compare with, and not for one unlucky request."""
    assert fails == Lately(300, requests, errors).fails(Guard())


def test_services_add_up() -> None:
    """An environment is all of its services together."""
    assert Lately(300, 30, 3) == together([Lately(300, 10, 1), Lately(300, 20, 2)])
    assert Lately(0.0) == together([])
