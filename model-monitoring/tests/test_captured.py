"""Rows out of captured lines, in every shape that the model service takes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from captures import BEGAN, capture, line, npy

from model_monitoring.bodies import value_of
from model_monitoring.captured import Capture, Rows, files_of

ORDER = ("origin", "minute")
UNTIL = BEGAN + timedelta(hours=1)


def rows_of(folder: Path) -> tuple[Rows, Capture]:
    since, until = BEGAN.timestamp(), UNTIL.timestamp()
    found = Capture(since, until, ORDER)
    batches = [*found.batches(path for _, paths in files_of(folder, since, until) for path in paths)]
    assert len(batches) <= 1
    return (batches[0] if batches else Rows()), found


def columns_of(rows: Rows) -> dict[str, list[object]]:
    return rows.columns | {"late": rows.predictions}


@pytest.mark.parametrize(
    ("request_", "encoding"),
    [
        ({"instances": [{"origin": "JFK", "minute": 5}, {"minute": 7, "origin": None}]}, "JSON"),
        ({"dataframe_records": [{"origin": "JFK", "minute": 5}, {"origin": None, "minute": 7}]}, "JSON"),
        ({"columns": ["minute", "origin"], "data": [[5, "JFK"], [7, None]]}, "JSON"),
        ({"dataframe_split": {"columns": ["origin", "minute"], "data": [["JFK", 5], [None, 7]]}}, "JSON"),
        ('{"origin": "JFK", "minute": 5}\n{"minute": 7}\n', "JSON"),
        ('["JFK", 5]\n[null, 7]\n', "JSON"),
        ("minute,origin\n5,JFK\n7,\n", "CSV"),
        ("JFK,5\n,7\n", "CSV"),
    ],
    ids=["instances", "records", "columns", "split", "lines of objects", "lines of arrays", "header", "no header"],
)
def test_every_shape_of_a_request_gives_the_same_columns(tmp_path, request_, encoding):
    """Rows with names by their names, others in the schema's order."""
    rows, found = rows_of(capture(tmp_path, [line(request_, [0.25, 0.5], encoding=encoding)]))
    assert {"origin": ["JFK", None], "minute": [5, 7], "late": [0.25, 0.5]} == columns_of(rows)
    assert (["e", "e"], [0, 1], {}) == (rows.events, rows.places, dict(found.unreadable))


def test_fields_of_csv_are_numbers_where_they_read_as_one():
    """As other programs read them, not as Python's own source is."""
    texts = ["5", "-7", "0.5", "1e3", "", "NaN", "1_000", "JFK", "9" * 30]
    assert [5, -7, 0.5, 1000.0, None, None, "1_000", "JFK", 1e30] == [value_of(text) for text in texts]


def test_arrays_are_read_by_position(tmp_path):
    """NaN stands for what is missing."""
    rows, _ = rows_of(capture(tmp_path, [line(npy([[1.0, 2.0], [float("nan"), 3.0]]), [0.1, 0.2], encoding="BASE64")]))
    assert {"origin": [1.0, None], "minute": [2.0, 3.0], "late": [0.1, 0.2]} == columns_of(rows)


def test_what_its_caller_says_is_no_traffic_is_passed_over(tmp_path):
    """It is neither a row nor unreadable."""
    asked = line({"instances": [{"origin": "JFK", "minute": 5}]}, [0.25])
    trial = asked.replace('"eventMetadata": {', '"eventMetadata": {"customAttributes": "monitor=ignore", ')
    rows, found = rows_of(capture(tmp_path, [asked, trial]))
    assert (1, 1, {}) == (len(rows), found.lines, dict(found.unreadable))


def test_what_cannot_be_read_is_counted_by_kind_and_the_rest_counts(tmp_path):
    """Torn lines, other encodings, foreign shapes, an answer of another length."""
    good = line({"instances": [{"origin": "JFK", "minute": 5}]}, [0.25])
    rows, found = rows_of(
        capture(
            tmp_path,
            [
                good, good[:-20], b"\xff\xfe", "[]", "",
                line({"instances": [{"origin": "JFK"}]}, [0.25, 0.5]),
                line({"instances": 5}, [0.25]),
                line("not base64", [0.25], encoding="BASE64"),
                line({"instances": [{"origin": "JFK"}]}, [], answer="oops"),
                line({"instances": [{"origin": "JFK"}]}, [0.5], encoding="XML"),
            ],
        )
    )  # fmt: skip
    kinds = {"not a captured line": 3, "as many answers as rows": 1, "request": 3, "answer": 1}
    assert (1, 9, kinds) == (len(rows), found.lines, dict(found.unreadable))


def test_only_the_window_counts(tmp_path):
    """By the time of the answer; the end belongs to the next window."""
    request = {"instances": [{"origin": "JFK", "minute": 5}]}
    moments = [BEGAN - timedelta(seconds=1), BEGAN, UNTIL - timedelta(seconds=1), UNTIL]
    capture(tmp_path, [line(request, [0.5], event=str(number), at=at) for number, at in enumerate(moments)])
    rows, found = rows_of(tmp_path)
    assert (["1", "2"], [BEGAN.timestamp(), UNTIL.timestamp() - 1], 2) == (rows.events, rows.times, found.lines)


def test_a_column_that_comes_later_is_missing_before(tmp_path):
    """And one that goes is missing afterwards."""
    lines = [line({"instances": [{"a": 1}]}, [0.1]), line({"instances": [{"b": 2}]}, [0.2])]
    rows, _ = rows_of(capture(tmp_path, lines))
    assert {"a": [1, None], "b": [None, 2], "late": [0.1, 0.2]} == columns_of(rows)


def test_hidden_files_and_other_hours_are_passed_over(tmp_path):
    """Files that are being written have a dot in front."""
    request = {"instances": [{"origin": "JFK", "minute": 5}]}
    capture(tmp_path, [line(request, [0.5])])
    capture(tmp_path, [line(request, [0.5])], BEGAN - timedelta(hours=5))
    (tmp_path / f"{BEGAN:%Y/%m/%d/%H}" / ".new.jsonl").write_text(line(request, [0.5]))
    assert 1 == len(rows_of(tmp_path)[0])
