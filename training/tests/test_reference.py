"""The file that the backend builds model rows from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from training.reference import TYPICAL_WEATHER, main


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file, freshly written."""
    path = tmp_path_factory.mktemp("reference") / "data" / "reference.json"
    assert 0 == main(["--output", str(path)])
    return path


@pytest.fixture(scope="module")
def reference(written: Path) -> dict[str, Any]:
    """Its content."""
    content: dict[str, Any] = json.loads(written.read_text())
    return content


def test_it_is_small_and_reproducible(written: Path, tmp_path: Path) -> None:
    """The file stays below 250 kB and comes out the same every time."""
    main(["--output", str(tmp_path / "again.json")])
    assert written.read_bytes() == (tmp_path / "again.json").read_bytes()
    assert written.stat().st_size < 250_000


def test_minutes_of_routes_are_those_of_the_training_period(reference: dict[str, Any], table: pl.DataFrame) -> None:
    """A route that was first flown later has its distance, which is no news of that time, and no minutes."""
    flown = table.filter(pl.col("day").dt.month() <= 6, pl.col("late").is_not_null())
    timed = {name for name, route in reference["routes"].items() if route["clock_minutes"] is not None}
    assert {f"{o}-{d}" for o, d in flown.select("origin", "dest").iter_rows()} == timed
    assert {"distance": 2475, "clock_minutes": 200} == reference["routes"]["JFK-LAX"]
    assert {"distance": 892, "clock_minutes": None} == reference["routes"]["JFK-STL"]


def test_weather_has_a_cell_for_every_month_and_hour(reference: dict[str, Any], table: pl.DataFrame) -> None:
    """The cell of a month and hour is the median of what flights of that hour had before them."""
    for origin in reference["origins"]:
        months = reference["weather"][origin]
        assert [24] * 12 == [len(hours) for hours in months]
        assert all(None not in cell for hours in months for cell in hours)
    assert list(TYPICAL_WEATHER) == reference["weather"]["names"]
    summer, winter = (reference["weather"]["JFK"][month - 1][15][0] for month in (7, 1))
    assert summer > winter + 30


def test_typical_delays_grow_through_the_day(reference: dict[str, Any]) -> None:
    """Mornings are punctual, evenings late; hours with nothing before them are null."""
    for origin in ("EWR", "JFK", "LGA"):
        delays = reference["airport"][origin]["airport_delay"]
        assert delays[3] is None and delays[5] is None
        assert delays[8] < 0 < delays[19]
        assert all(share is None or 0 <= share <= 1 for share in reference["airport"][origin]["airport_late_share"])
