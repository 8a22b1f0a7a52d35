"""Labels find the rows that they belong to, and whatever else becomes of them is counted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from captures import BEGAN, capture, label
from hypothesis import given, settings
from hypothesis import strategies as st

from model_monitoring.answers import Answers
from model_monitoring.labels import Joined, Labels

ASKED = BEGAN.timestamp()


def joined(folder: Path, rows: Sequence[tuple[str, int, float | str]], sources: frozenset[str] | None = None) -> Joined:
    answers = Answers()
    events, places, predictions = zip(*rows, strict=True)
    answers.add(events, places, predictions, [ASKED] * len(rows))
    return Labels(folder, ASKED, sources).join(answers)


def test_what_becomes_of_labels_is_counted(tmp_path: Path):
    """Twice, corrected, of unknown rows, before the prediction, from strangers, broken; the newest counts."""
    capture(tmp_path, [label("a", [0], "app"), label("early", [1], "app")], BEGAN - timedelta(hours=3))
    capture(tmp_path, [label("a", [0], "app"), label("b", [1], "app"), label("zzz", [1], "app"), "torn"])
    later = [label("a", [0], "app"), label("b", [0], "app"), label("c", [1], "stranger")]
    capture(tmp_path, later, BEGAN + timedelta(hours=1))
    rows = [("a", 0, 0.1), ("b", 0, 0.2), ("c", 0, 0.3), ("early", 0, 0.4)]
    found = joined(tmp_path, rows, frozenset({"app"}))
    assert [(0.1, 0.0), (0.2, 0.0)] == sorted(zip(found.predictions.tolist(), found.labels.tolist(), strict=True))
    assert (4, 1, 1, 1, 2) == (found.rows, found.repeated, found.corrected, found.unknown, found.early)
    assert {"not a label": 1, "source not trusted": 1} == dict(found.unreadable)


def test_rows_of_a_request_are_labelled_by_position(tmp_path: Path):
    """A shorter label leaves the others without."""
    capture(tmp_path, [label("a", [1, 0], "app")])
    found = joined(tmp_path, [("a", 0, 0.1), ("a", 1, 0.2), ("a", 2, 0.3)])
    assert [(0.1, 1.0), (0.2, 0.0)] == sorted(zip(found.predictions.tolist(), found.labels.tolist(), strict=True))


def test_classes_are_joined_by_name(tmp_path: Path):
    """Whatever each side has numbered them."""
    capture(tmp_path, [label("a", ["x"], "app"), label("b", ["y"], "app"), label("c", [1], "app")])
    found = joined(tmp_path, [("a", 0, "y"), ("b", 0, "y"), ("c", 0, 1.0)])
    names = found.coded.names
    assert {("y", "x"), ("y", "y"), ("1", "1")} == set(zip(names(found.predictions), names(found.labels), strict=True))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 1)), max_size=30))
def test_the_join_is_the_plain_one(tmp_path_factory, told):
    """As a dictionary would do it that is written to in order."""
    folder = tmp_path_factory.mktemp("labels")
    capture(folder, [label(event, [value], "app") for event, value in told])
    rows = [(event, 0, place / 10) for place, event in enumerate("abcd")]
    found = joined(folder, rows)
    newest = dict(told)
    expected = sorted((said, float(newest[event])) for event, _, said in rows if event in newest)
    assert expected == sorted(zip(found.predictions.tolist(), found.labels.tolist(), strict=True))
    known = [event for event, _ in told if event in "abcd"]
    assert len(known) == len(found.labels) + found.corrected + found.repeated
