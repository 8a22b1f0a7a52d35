"""Watching a model's traffic: who may, what is kept, what is written down."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shipway.core.description.app import App
from shipway.core.errors import Refused, UsageError
from shipway.core.monitoring.watch import Seen, Violation
from tests.doubles.monitoring import QUIET
from tests.pipeline.house import DESCRIPTION, House

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


def test_any_window_is_looked_at_by_hand_at_once(house: House) -> None:
    """Whenever it was, however long ago the last look; one without rows is a hold that says so."""
    house.control.monitor.baseline("dev", None, None, None, "bob", silently)
    house.monitoring.seen = Seen(0, 0, {}, ())
    windows = [(5.0, 6.0), (1e6, 2e6), (5.0, 6.0)]
    views = [house.control.monitor.look("dev", *window, "bob", silently) for window in windows]
    assert windows == [window for window, _ in house.monitoring.asked]
    verdicts = [view.verdict for view in views if view.verdict is not None]
    assert ["hold"] * 3 == [verdict.state for verdict in verdicts]
    assert all(verdict.reason.startswith("0 rows in the window") for verdict in verdicts)


def monitored(house: House, **monitor: Any) -> None:
    """The app with these rules, and a training that is described."""
    training = {"path": "training", "tables": ["flights"]}
    house.app = App.model_validate({**DESCRIPTION, "model": {"name": "m", "monitor": monitor, "training": training}})
    house.described = house.app
    house.control.monitor.baseline("prod", None, None, None, "ann", silently)
    house.monitoring.seen = Seen(1000, 1000, {}, (DRIFT,))


def test_looks_and_baselines_trust_the_same_labels(house: House) -> None:
    """Those that the app's description names."""
    monitored(house, label_sources=["airline"])
    house.control.monitor.look("prod", 100.0, 200.0, "bob", silently)
    assert (("airline",), [((100.0, 200.0), ("airline",))]) == (house.monitoring.trusted, house.monitoring.asked)


def test_a_drift_starts_one_training_if_it_may(house: House) -> None:
    """Not twice within the cooldown; what it found stands in the run's reason."""
    monitored(house, retrain=True)
    view = house.control.monitor.look("prod", None, None, "bob", silently)
    assert view.training is not None
    run = house.run(view.training)
    assert ("train", "bob", "drift in prod: late: far away") == (run.kind, run.by, run.why)
    again = house.control.monitor.look("prod", None, None, "bob", silently)
    assert again.training is None
    assert again.no_training.startswith(f"training {run.id} ")


def test_a_drift_starts_nothing_unless_it_is_written(house: House) -> None:
    monitored(house)
    assert house.control.monitor.look("prod", None, None, "bob", silently).training is None
    assert [] == house.control.training.list(10)


def test_what_is_to_be_watched_is_looked_at_in_its_time(house: House) -> None:
    """Each environment that is named, once in `every`; one without a model or baseline is passed over."""
    monitored(house, environments=["dev", "prod"], every="60s")
    house.control.monitor.tend()
    house.control.monitor.tend()
    assert 1 == len(house.monitoring.asked)
    ((since, until), _) = house.monitoring.asked[0]
    assert 60 == pytest.approx(until - since)
    assert "monitor" == house.control.audit(1)[0].who


def test_a_look_that_is_refused_is_told_and_tried_again_in_its_time(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """Not every minute; a new baseline is reason enough to look at once."""
    monitored(house, environments=["dev"])
    house.control.monitor.tend()
    house.control.monitor.tend()
    assert ["dev was not looked at: v1.0 has no baseline; next: shipway monitor baseline dev"] == caplog.messages
    house.control.monitor.baseline("dev", None, None, None, "bob", silently)
    house.control.monitor.tend()
    assert 1 == len(house.monitoring.asked)


def test_a_hold_that_outlasts_its_limit_is_an_alarm_once(house: House) -> None:
    """Whoever looks at a model that nobody asks any more is told, and not every day anew."""
    monitored(house, max_hold="1h")
    house.monitoring.seen = Seen(3, 3, {}, ())
    now = house.control.monitor.look("prod", None, None, "bob", silently)
    assert ("", now.at) == (now.alarm, now.held_since)
    house.monitoring.keep(replace(now, held_since=now.at - 7200))
    alarms = [house.control.monitor.look("prod", None, None, "bob", silently).alarm for _ in range(2)]
    assert all("no verdict for 2 h: 3 rows in the window" in alarm for alarm in alarms)
    assert ["hold"] == [entry.action for entry in house.control.audit(10) if entry.action == "hold"]
    house.monitoring.seen = QUIET
    assert house.control.monitor.look("prod", None, None, "bob", silently).held_since is None


def test_a_month_of_looks_leaves_nothing_behind(house: House) -> None:
    """In the daemon's memory: what a look needs is in the program's process, and on disk."""
    monitored(house)
    house.monitoring.seen = QUIET

    def look() -> None:
        house.control.monitor.look("prod", None, None, "bob", silently)
        house.monitoring.asked.clear()

    look()
    tracemalloc.start()
    try:
        for _ in range(5):
            look()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(30):
            look()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 20_000


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
