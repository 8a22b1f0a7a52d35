"""Hours that were summarised once are not decoded again, and say the same."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from captures import BEGAN, capture, environment, line

from model_monitoring import job, reading
from model_monitoring.reading import Read, read

FEATURES = ("origin", "minute")


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    """Three hours of exchanges; the first two lie whole in the window of `look`."""
    (tmp_path / "schema.json").write_text(
        json.dumps({"features": [{"name": name} for name in FEATURES], "output": {"name": "late"}})
    )
    for hour in range(3):
        at = BEGAN + timedelta(hours=hour)
        asked = [{"instances": [{"origin": "JFK", "minute": n}]} for n in range(50)]
        lines = [line(one, [n / 50], event=f"{hour}-{n}", at=at) for n, one in enumerate(asked)]
        capture(tmp_path / "capture", [*lines, "torn"], at)
    return tmp_path


def look(bucket: Path, hours: float = 2.5) -> Read:
    end = BEGAN + timedelta(hours=hours)
    given = {"feature_schema": str(bucket / "schema.json"), "kept_hours": str(bucket / "hours")}
    given |= {"ground_truth_source": str(bucket / "nothing"), "end_time": end.isoformat()}
    return read(job.of(environment(bucket, bucket / "capture", **given)))


def figures(found: Read) -> object:
    minute = found.summary.columns["minute"].numbers
    values, weights = minute.weighted()
    unreadable = dict(found.unreadable), found.lines
    return (
        found.summary.rows,
        minute.mean,
        values.tolist(),
        weights.tolist(),
        unreadable,
        found.joined and found.joined.rows,
    )


def test_an_hour_is_decoded_once(bucket: Path):
    """What was kept says the same; an hour that the window cuts is read for that window alone."""
    first, again = look(bucket), look(bucket)
    assert (0, 3) == (first.reused_hours, first.decoded_hours)
    assert (2, 1) == (again.reused_hours, again.decoded_hours)
    assert figures(first) == figures(again)
    assert 150 == again.summary.rows


def test_an_hour_whose_files_changed_is_decoded_again(bucket: Path):
    """One more file, or another content; not a copy of the same content with a later time."""
    look(bucket)
    folder = bucket / "capture" / f"{BEGAN:%Y/%m/%d/%H}"
    path = folder / "0-1.jsonl"
    path.write_bytes(path.read_bytes())
    assert 2 == look(bucket).reused_hours
    (folder / "1-1.jsonl").write_text(line({"instances": [{"origin": "JFK", "minute": 1}]}, [0.5], event="late"))
    found = look(bucket)
    assert (1, 151) == (found.reused_hours, found.summary.rows)


def test_damaged_summaries_are_made_anew(bucket: Path):
    """They are a cache: whatever becomes of them, a look says the same."""
    first = look(bucket)
    for path, content in zip(sorted((bucket / "hours").iterdir()), (b"", b"\x81"), strict=True):
        path.write_bytes(content)
    again = look(bucket)
    assert (0, figures(first)) == (again.reused_hours, figures(again))


def test_other_features_are_another_summary(bucket: Path):
    """Rows without names mean something else then."""
    look(bucket)
    (bucket / "schema.json").write_text(json.dumps({"features": [{"name": "minute"}], "output": {"name": "late"}}))
    assert 0 == look(bucket).reused_hours


def test_exchanges_that_lie_in_a_later_hour_belong_to_their_own_time(bucket: Path):
    """They are written up to an hour late: such an hour is not taken whole."""
    at = BEGAN + timedelta(hours=1)
    early = line({"instances": [{"origin": "JFK", "minute": 1}]}, [0.5], event="x", at=BEGAN - timedelta(minutes=1))
    path = bucket / "capture" / f"{at:%Y/%m/%d/%H}" / "0-1.jsonl"
    path.write_text(path.read_text() + early + "\n")
    first, again = look(bucket), look(bucket)
    assert 150 == first.summary.rows == again.summary.rows
    assert (1, 2) == (again.reused_hours, again.decoded_hours)


def test_only_the_newest_summaries_are_kept(bucket: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("model_monitoring.hours.MOST", 1)
    look(bucket)
    assert [f"{int((BEGAN + timedelta(hours=1)).timestamp())}"] == [
        path.name.split("-")[0] for path in (bucket / "hours").iterdir()
    ]


def test_a_full_disk_does_not_stop_a_look(bucket: Path, monkeypatch: pytest.MonkeyPatch):
    """Nothing half-written stays."""

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile._TemporaryFileWrapper.write", full, raising=False)
    assert 150 == look(bucket).summary.rows
    assert [] == [*(bucket / "hours").iterdir()]


def test_texts_as_predictions_survive(tmp_path: Path):
    """Classes are coded by each hour for itself."""
    for hour, classes in enumerate((["a", "b"], ["b", "c"])):
        at = BEGAN + timedelta(hours=hour)
        lines = [line({"instances": [{"x": 1}]}, [one], event=f"{one}{hour}", at=at) for one in classes]
        capture(tmp_path / "capture", lines, at)
    (tmp_path / "schema.json").write_text(json.dumps({"features": [{"name": "x"}], "output": {"name": "kind"}}))
    (tmp_path / "truth").mkdir()
    given = {"feature_schema": str(tmp_path / "schema.json"), "kept_hours": str(tmp_path / "hours")}
    work = job.of(environment(tmp_path, tmp_path / "capture", **given))
    for _ in range(2):
        hours = [hour for _, hour, _ in reading._hours(work, reading.Hours(tmp_path / "hours", ["x", "kind"]))]
        whole = hours[0]
        whole.merge(hours[1])
        _, predictions, _ = whole.answers.whole()
        assert ["a", "b", "b", "c"] == whole.answers.coded.names(predictions)
    assert np.isfinite(predictions).all()
