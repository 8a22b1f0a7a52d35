"""A second model beside the one that answers."""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ml_model_service.versions import shadow
from ml_model_service.versions.shadow import Mirror

DEADLINE = 10.0


class Plus:
    """An engine of one feature that predicts it plus a constant; fails on 13; waits while `gate` is closed."""

    def __init__(self, plus: float = 0.0) -> None:
        self.plus, self.gate, self.asked = plus, threading.Event(), threading.Event()
        self.gate.set()
        self.rows: list[int] = []

    def predict(self, values: array[float], rows: int) -> list[float]:
        """One prediction a row."""
        self.asked.set()
        assert self.gate.wait(DEADLINE)
        self.rows.append(rows)
        if 13.0 in values:
            raise RuntimeError("thirteen")
        return [value + self.plus for value in values]


Start = Callable[..., Mirror]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts mirrors that end with the test."""
    started: list[Mirror] = []

    def make(engine: Any, percent: float = 100.0, threshold: float | None = 0.5) -> Mirror:
        started.append(Mirror("v1.3", percent, engine, threshold))
        return started[-1]

    yield make
    for mirror in started:
        mirror.stop()
        assert mirror.join(DEADLINE)


def until(condition: Callable[[], bool]) -> None:
    """Wait for the condition, within bounds."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.002)


def offer(mirror: Mirror, *values: float) -> None:
    """Mirror one request whose answer was its own values."""
    mirror.offer(array("d", values), len(values), list(values))


def compared(mirror: Mirror, rows: int) -> dict[str, Any]:
    """The figures once so many rows were compared."""
    until(lambda: mirror.to_json()["compared"] >= rows)
    return mirror.to_json()


def test_a_row_disagrees_when_the_decision_differs(start: Start) -> None:
    """With a threshold the two sides of it count, not the distance."""
    mirror = start(Plus(0.2))
    offer(mirror, 0.1, 0.4)
    offer(mirror, 0.6)
    found = compared(mirror, 3)
    assert {"version": "v1.3", "percent": 100.0, "dropped": 0, "compared": 3, "failed": 0, "disagreements": 1} == {
        key: found[key] for key in ("version", "percent", "dropped", "compared", "failed", "disagreements")
    }
    assert pytest.approx(0.6) == found["difference_sum"]
    assert pytest.approx(0.2) == found["largest_difference"]
    assert (pytest.approx(1.1), pytest.approx(1.7)) == (found["stable_predictions"]["sum"], found["predictions"]["sum"])


def test_without_a_threshold_a_tenth_of_the_larger_is_too_much(start: Start) -> None:
    """What has no decision is compared by size."""
    mirror = start(Plus(1.0), threshold=None)
    offer(mirror, 8.9, 9.1, -10.0, 0.0)
    assert 2 == compared(mirror, 4)["disagreements"]


def test_a_prediction_that_is_no_number_disagrees_and_spoils_no_sum(start: Start) -> None:
    """NaN and infinity count as disagreement."""
    for odd in (float("nan"), float("inf")):
        mirror = start(Plus(odd))
        offer(mirror, 0.1)
        found = compared(mirror, 1)
        assert (1, 0.0, 0.0) == (found["disagreements"], found["difference_sum"], found["largest_difference"])


def test_a_request_that_fails_leaves_its_neighbours_compared(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """Failures are counted by request and logged once."""
    engine = Plus()
    mirror = start(engine)
    engine.gate.clear()
    for value in (1.0, 13.0, 2.0, 13.0, 3.0):
        offer(mirror, value)
    engine.gate.set()
    assert (3, 2) == (compared(mirror, 3)["compared"], compared(mirror, 3)["failed"])
    assert 1 == len(caplog.records)


def test_a_wrong_number_of_predictions_is_a_failure(start: Start) -> None:
    """Rows are never compared with another row's prediction."""

    class Short:
        def predict(self, values: array[float], rows: int) -> list[float]:
            return [0.5] * (rows - 1)

    mirror = start(Short())
    offer(mirror, 0.1, 0.2)
    until(lambda: mirror.to_json()["failed"] == 1)
    assert 0 == mirror.to_json()["compared"]


def test_what_does_not_fit_is_dropped_and_counted(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows and bytes that wait are bounded; once there is room again, requests are taken again."""
    for name, value in (("MAX_WAITING_ROWS", 10), ("MAX_WAITING_BYTES", 12 * 40)):
        monkeypatch.setattr(shadow, name, value)
        engine = Plus()
        mirror = start(engine)
        engine.gate.clear()
        for _ in range(14):
            offer(mirror, 0.5)
        dropped = mirror.to_json()["dropped"]
        assert (4 if name == "MAX_WAITING_ROWS" else 2) == dropped
        engine.gate.set()
        taken = compared(mirror, 14 - dropped)["compared"]
        assert 14 - dropped == taken
        until(lambda mirror=mirror: mirror._rows_in == mirror._rows_out)  # type: ignore[misc]
        offer(mirror, 0.5)
        assert taken + 1 == compared(mirror, taken + 1)["compared"]
        monkeypatch.undo()


def test_small_requests_that_wait_are_scored_together(start: Start) -> None:
    """One call of the model for a batch."""
    engine = Plus()
    mirror = start(engine)
    engine.gate.clear()
    offer(mirror, 0.5)
    assert engine.asked.wait(DEADLINE)
    for _ in range(600):
        offer(mirror, 0.5)
    engine.gate.set()
    compared(mirror, 601)
    assert [1, 512, 88] == engine.rows


def test_a_share_of_the_requests_is_mirrored(start: Start) -> None:
    """A percent of them, within what chance allows."""
    mirror = start(Plus(), percent=25.0)
    for _ in range(4000):
        offer(mirror, 0.5)
    until(lambda: mirror._rows_in == mirror._rows_out)
    assert 800 < mirror.to_json()["compared"] < 1200


def test_whose_predictions_they_are_is_told_a_batch_at_a_time() -> None:
    """In the shadow's thread; requests that nobody wants to hear of, or that fail, are left out."""
    told: list[tuple[str, list[tuple[Any, list[float]]]]] = []
    engine = Plus(1.0)
    mirror = Mirror("v1.3", 100.0, engine, None, lambda version, found: told.append((version, list(found))))
    try:
        engine.gate.clear()
        mirror.offer(array("d", [0.5]), 1, [0.5], "first")
        assert engine.asked.wait(DEADLINE)
        mirror.offer(array("d", [1.0, 2.0]), 2, [1.0, 2.0], "second")
        mirror.offer(array("d", [3.0]), 1, [3.0])
        mirror.offer(array("d", [4.0]), 1, [4.0], "third")
        engine.gate.set()
        compared(mirror, 5)
        mirror.offer(array("d", [13.0]), 1, [13.0], "fails")
        until(lambda: mirror._rows_in == mirror._rows_out)
    finally:
        mirror.stop()
        assert mirror.join(DEADLINE)
    assert [("v1.3", [("first", [1.5])]), ("v1.3", [("second", [2.0, 3.0]), ("third", [5.0])])] == told


def test_what_the_shadow_reads_by_itself_is_read_in_its_thread(start: Start) -> None:
    """Together with values that are there; a request that it can't read fails by itself."""
    engine = Plus()
    mirror, readers = start(engine), set()
    engine.gate.clear()
    offer(mirror, 0.5)
    assert engine.asked.wait(DEADLINE)

    def read() -> array[float]:
        readers.add(threading.current_thread().name)
        return array("d", [0.25])

    def fail() -> array[float]:
        raise ValueError("not what it takes")

    for values in (read, fail, read):
        mirror.offer(values, 1, [0.75])
    offer(mirror, 0.5)
    engine.gate.set()
    found = compared(mirror, 4)
    assert ({"shadow v1.3"}, 1, 2, 0.5) == (
        readers,
        found["failed"],
        found["disagreements"],
        found["largest_difference"],
    )


def test_stopping_forgets_what_waits_and_ends_the_thread() -> None:
    """A replaced shadow goes at once, however much waits."""
    engine = Plus()
    mirror = Mirror("v1.3", 100.0, engine, None)
    engine.gate.clear()
    offer(mirror, 0.5)
    assert engine.asked.wait(DEADLINE)
    for _ in range(50):
        offer(mirror, 0.5)
    mirror.stop()
    assert not mirror.join(0.01)
    engine.gate.set()
    assert mirror.join(DEADLINE)
    assert [1] == engine.rows
