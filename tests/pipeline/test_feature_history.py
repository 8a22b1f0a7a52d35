"""The history that is taken into files without being asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipway.pipeline.desk import features
from tests.pipeline.house import House


def test_much_that_arrived_is_compacted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the environments where it did, and not before."""
    monkeypatch.setattr(features, "MOST_ARRIVALS", 3)
    house = House(tmp_path)
    compacted = []
    asked = house.parts.history.compact
    monkeypatch.setattr(
        house.parts.history,
        "compact",
        lambda environment, *rest: compacted.append(environment) or asked(environment, *rest),
    )
    desk = house.control.features
    records = [{"airport": "JFK", "at": f"2020-07-04T11:00:0{second}Z"} for second in range(3)]
    desk.put("dev", "weather", records[:2], "ann")
    desk.tend()
    assert [] == compacted
    desk.put("dev", "weather", records[2:], "ann")
    desk.put("prod", "weather", records[:1], "ann")
    desk.tend()
    assert ["dev"] == compacted
    house.close()
