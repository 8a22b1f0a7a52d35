"""Watching a model's traffic: who may, what is kept, what is written down."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shipway.core.errors import Refused, UsageError
from shipway.core.monitoring.watch import Seen, Violation
from tests.pipeline.house import House

DRIFT = Violation("late", "baseline_drift_check", "far away")


def silently(said: str) -> None:
    pass


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    house.release("c1")
    yield house
    house.target.hold.set()
    house.close()


def test_a_look_answers_its_verdict_and_is_the_newest(house: House) -> None:
    house.control.monitor.baseline("prod", None, None, None, "ann", silently)
    house.monitoring.seen = Seen(1000, 1000, {}, (DRIFT,))
    view = house.control.monitor.look("prod", 100.0, 200.0, "bob", silently)
    assert view.verdict is not None
    assert ("drift", (DRIFT,), 100.0, 200.0) == (view.verdict.state, view.verdict.causes, view.since, view.until)
    assert view == house.control.monitor.show("prod")
    assert [("bob", "drift"), ("ann", "make baseline")] == [(one.who, one.action) for one in house.control.audit(2)]


def test_a_quiet_look_leaves_no_entry(house: House) -> None:
    house.control.monitor.baseline("prod", None, None, None, "ann", silently)
    before = house.control.audit(100)
    assert house.control.monitor.look("prod", None, None, "bob", silently).verdict is not None
    assert before == house.control.audit(100)


def test_what_is_normal_in_prod_is_decided_by_who_approves_there(house: House) -> None:
    """Or anyone could call a drift normal."""
    with pytest.raises(Refused, match="make a baseline for prod"):
        house.control.monitor.baseline("prod", None, None, None, "bob", silently)
    house.control.monitor.baseline("dev", None, None, None, "bob", silently)


def test_the_last_day_is_looked_at_by_default(house: House) -> None:
    house.control.monitor.baseline("dev", None, None, None, "bob", silently)
    house.control.monitor.look("dev", None, 100_000.0, "bob", silently)
    assert [((100_000.0 - 86400, 100_000.0), ())] == house.monitoring.asked


def test_malformed_questions_are_refused(house: House) -> None:
    with pytest.raises(UsageError, match="ends before it begins"):
        house.control.monitor.look("dev", 200.0, 100.0, "bob", silently)
    with pytest.raises(UsageError, match="no environment 'moon'"):
        house.control.monitor.look("moon", None, None, "bob", silently)
    with pytest.raises(Refused, match="never looked at"):
        house.control.monitor.show("dev")


def test_an_environment_where_no_model_serves_says_so(tmp_path: Path) -> None:
    house = House(tmp_path)
    try:
        with pytest.raises(Refused, match="no model serves in dev"):
            house.control.monitor.look("dev", None, None, "bob", silently)
    finally:
        house.close()
