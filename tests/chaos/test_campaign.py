"""A few cells of the campaign that `make chaos` plays whole."""

from __future__ import annotations

import pytest

from tests.chaos.campaign import STEADY, STRATEGIES, cells, chosen, play
from tests.chaos.faults import FAULTS

SEED, COUNT = 20261126, 3


def test_the_campaign_strikes_every_fault_at_every_moment_of_every_strategy() -> None:
    """No pair of fault and strategy is left out, and a seed decides the order alone."""
    found = cells()
    assert {(fault.name, strategy) for fault in FAULTS for strategy in STRATEGIES} == {
        (cell.fault.name, cell.strategy) for cell in found if cell.moment != STEADY
    }
    assert sorted(map(str, found)) == sorted(map(str, chosen(SEED, None)))
    assert list(map(str, chosen(SEED, 5))) == list(map(str, chosen(SEED, 5)))


@pytest.mark.e2e
def test_promises_hold_where_the_seed_strikes() -> None:
    """Nothing is lost that is promised, and a good commit is not blamed."""
    rows = list(play(chosen(SEED, COUNT)))
    assert [] == [f"{row.cell}: {line}" for row in rows for line in row.broken]
