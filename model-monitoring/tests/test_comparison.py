"""Two versions that were asked the same, joined with what came true."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from captures import BEGAN, capture, environment, label, line, read
from training import bootstrap

from model_monitoring.__main__ import main
from model_monitoring.comparison import by_day, document


class Place:
    """A folder for what two versions answered and what came true."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.new: list[str] = []
        self.old: list[str] = []
        self.labels: list[str] = []

    def both(self, event: str, new: float, old: float, at: datetime = BEGAN) -> None:
        """One row that both answered."""
        self.new.append(line({"x": 1}, [new], event, at))
        self.old.append(line({"x": 1}, [old], event, at))

    def compared(self, sources: frozenset[str] | None = None, hours: float = 24.0) -> dict[str, Any]:
        for name, lines in (("new", self.new), ("old", self.old), ("labels", self.labels)):
            capture(self.folder / name, lines)
        new, old, labels = (self.folder / name for name in ("new", "old", "labels"))
        return document(new, old, labels, BEGAN, BEGAN + timedelta(hours=hours), sources)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_the_difference_and_its_bounds_are_the_trainings_own(place: Place) -> None:
    """The very figures that `evaluate` computes of the same rows: one rule decides by both."""
    draw = np.random.default_rng(7)
    count = 600
    truth, new, old = (draw.random(count) < 0.3), draw.random(count), draw.random(count)
    days = draw.integers(0, 9, count)
    for n in range(count):
        place.both(f"f-{n}", float(new[n]), float(old[n]))
        place.labels.append(label(f"f-{n}", [int(truth[n])], occurredAt=f"2013-12-{days[n] + 1:02}T23:30:00"))
    found = place.compared()
    values = (new - truth) ** 2 - (old - truth) ** 2
    wanted = bootstrap.mean_interval(values, days, bootstrap.draws(9, 2000), 0.95)
    difference = found["comparison"]["brier_difference"]
    assert (600, int(truth.sum()), 9) == (found["rows"], found["positives"], found["days"])
    assert {"first": "2013-12-01", "last": "2013-12-09"} == found["window"]
    for name in ("value", "low", "high", "deviation"):
        assert pytest.approx(getattr(wanted, name)) == difference[name]
    assert found["candidate"]["brier"] - found["champion"]["brier"] == pytest.approx(difference["value"])


def test_a_day_is_the_one_on_which_it_happened(place: Place) -> None:
    """By the clock of whom it happened to. Where the label does not say, the day of the answer counts."""
    for event, told in (
        ("a", {"occurredAt": "2013-12-01T23:59:00-05:00"}), ("b", {"occurredAt": "2013-12-02"}),
        ("c", {}), ("d", {"occurredAt": "2013-13-45T00:00"}), ("e", {"occurredAt": "yesterday"}),
    ):  # fmt: skip
        place.both(event, 0.5, 0.4)
        place.labels.append(label(event, [1], **told))
    found = place.compared()
    assert (5, 3) == (found["rows"], found["days"])
    assert {"first": "2013-12-01", "last": f"{BEGAN:%Y-%m-%d}"} == found["window"]


def test_only_trusted_sources_count_and_the_newest_of_them(place: Place) -> None:
    """A stranger's correction neither counts nor hides the word before it."""
    for event in "abc":
        place.both(event, 0.9, 0.1)
    place.labels += [
        label("a", [1], source="airline"), label("a", [0], source="device"),
        label("b", [0], source="airline"), label("b", [1], source="airline"),
        label("c", [1]),
    ]  # fmt: skip
    found = place.compared(frozenset({"airline"}))
    assert (2, 2) == (found["rows"], found["positives"])
    assert 2 == found["counted"]["labels of sources that are not trusted"]
    assert 3 == place.compared()["rows"]


def test_what_does_not_fit_is_counted_and_left_out(place: Place) -> None:
    """Torn lines, other labels, another number of rows, answers outside of the window, rows of one version alone."""
    place.both("good", 0.5, 0.5)
    place.both("late", 0.5, 0.5, BEGAN + timedelta(hours=2))
    place.both("many", 0.5, 0.5)
    place.new.append(line({"x": 1}, [0.5], "alone"))
    place.new.append('{"torn": {"eventId": "good"')
    place.labels += [
        label("good", [1]), label("late", [1]), label("many", [1, 0]), label("alone", [0]), label("other", [0.7]), "{}",
    ]  # fmt: skip
    found = place.compared(hours=1.0)
    assert 1 == found["rows"]
    assert {
        "unreadable labels": 1, "labels other than 0 and 1": 1, "unreadable captured lines": 1,
        "events that one of them answered": 1, "events with another number of labels than rows": 1,
    } == found["counted"]  # fmt: skip


def test_labels_of_hours_before_the_window_do_not_count(place: Place) -> None:
    """No label is known before its prediction."""
    place.both("a", 0.5, 0.5)
    capture(place.folder / "labels", [label("a", [1])], BEGAN - timedelta(hours=1))
    assert 0 == place.compared()["rows"]


def test_rows_of_one_request_are_labelled_by_place(place: Place) -> None:
    place.new.append(line({"x": 1}, [1.0, 0.0], "pair"))
    place.old.append(line({"x": 1}, [0.0, 0.0], "pair"))
    place.labels.append(label("pair", [1, 0]))
    found = place.compared()
    assert (2, -0.5) == (found["rows"], found["comparison"]["brier_difference"]["value"])
    assert found["comparison"]["brier_difference"]["low"] is None


def test_without_labels_nothing_is_said(place: Place) -> None:
    place.both("a", 0.5, 0.5)
    found = place.compared()
    assert (0, 0, 0) == (found["rows"], found["positives"], found["days"])
    assert found["comparison"] == {
        "brier_difference": None, "error": "both have answered no row whose label is known",
    }  # fmt: skip


def test_one_day_alone_has_no_bounds() -> None:
    found = by_day(np.array([0.1, 0.2]), np.array([0, 0]))
    assert pytest.approx(0.15) == found.pop("value")
    assert {"low": None, "high": None, "deviation": None} == found


def test_the_program_compares_where_a_champion_is_named(place: Place, tmp_path: Path) -> None:
    """One more variable of its contract; without labels there is nothing to compare by."""
    place.both("a", 0.9, 0.1)
    place.labels.append(label("a", [1], source="airline"))
    place.compared()
    given = environment(
        tmp_path, tmp_path / "new", champion_source=str(tmp_path / "old"), ground_truth_source=str(tmp_path / "labels"),
        ground_truth_sources="airline",
    )  # fmt: skip
    assert 0 == main(given)
    assert pytest.approx(-0.8) == read(tmp_path, "evaluation.json")["comparison"]["brier_difference"]["value"]
    del given["ground_truth_source"]
    assert 1 == main(given)
    assert "ground_truth_source must name" in (tmp_path / "output" / "message").read_text()


def test_what_began_within_a_second_counts_from_that_second_on(place: Place, tmp_path: Path) -> None:
    """Captured times are whole seconds; a second that was over before is another one."""
    place.both("same", 0.9, 0.1, BEGAN + timedelta(seconds=5))
    place.both("earlier", 0.9, 0.1, BEGAN + timedelta(seconds=4))
    place.labels += [label("same", [1]), label("earlier", [1])]
    place.compared()
    given = environment(
        tmp_path, tmp_path / "new", champion_source=str(tmp_path / "old"), ground_truth_source=str(tmp_path / "labels"),
        start_time=(BEGAN + timedelta(seconds=5.6)).isoformat(),
    )  # fmt: skip
    assert (0, 1) == (main(given), read(tmp_path, "evaluation.json")["rows"])
