"""The history that is taken into files without being asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shipway.core.errors import Refused
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


def test_one_environment_that_cannot_be_compacted_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are, and the loop hears of it."""
    monkeypatch.setattr(features, "MOST_ARRIVALS", 1)
    house = House(tmp_path)
    compacted = []

    def compact(environment: str, *_: Any) -> dict[str, int]:
        compacted.append(environment)
        if environment == "dev":
            raise Refused("a feature keeps its type")
        return {}

    monkeypatch.setattr(house.parts.history, "compact", compact)
    desk = house.control.features
    for environment in ("dev", "prod"):
        desk.put(environment, "weather", [{"airport": "JFK", "at": "2020-07-04T11:00:00Z"}], "ann")
    with pytest.raises(Refused, match="keeps its type"):
        desk.tend()
    assert ["dev", "prod"] == compacted
    house.close()
