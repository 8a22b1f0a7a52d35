"""What is told of a month: all of it, in order, and nothing before it is known."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ontime_features.departures import airport_delays, read
from ontime_features.observation import WEATHER, counts
from training import source
from training.replay import World, main

pytestmark = pytest.mark.slow

Event = dict[str, Any]
NOVEMBER = "2013-11"
"""In it the clocks are set back."""


@pytest.fixture(scope="module")
def world() -> World:
    """All that happened."""
    return World.read(source.data_folder())


@pytest.fixture(scope="module")
def events(world: World) -> list[Event]:
    """What is told of November."""
    return list(world.events(NOVEMBER, ["2013-10", NOVEMBER]))


def test_every_flight_finds_what_the_training_joined(events: list[Event], world: World, table: pl.DataFrame) -> None:
    """From the records that are there when it is asked about come the delays and the weather of the training's row."""
    online: dict[tuple[str, str], Event] = {}
    found = {}
    for event in events:
        if event["event"] == "records":
            online |= {(event["group"], record["airport"]): record for record in event["records"]}
        elif event["event"] == "request":
            found[int(event["id"])] = _features(online, event["body"])
    keys = ["departure", "origin", "carrier", "dest", "distance", "departure_minute"]
    asked = world.flights.filter(pl.col("in_month") == NOVEMBER).with_columns(
        departure_minute=pl.col("hour") * 60 + pl.col("minute")
    )
    joined = asked.select("number", *keys).join(
        table.select(*keys, "airport_delay", "airport_late_share", *WEATHER).unique(keys), on=keys, how="left"
    )
    assert 26_000 < joined.height == len(found)
    for number, *rest in joined.iter_rows():
        assert pytest.approx(tuple(rest[len(keys) :]), nan_ok=True) == found[number]


def _features(online: dict[tuple[str, str], Event], asked: Event) -> tuple[float | None, ...]:
    scheduled = datetime.fromisoformat(asked["departure"])
    record = online.get(("airport", asked["origin"]))
    delays = airport_delays(read(record["departures"]), scheduled) if record else None
    observed = online[("weather", asked["origin"])]
    assert counts(datetime.fromisoformat(observed["hour"]), scheduled)
    known = (None, None) if delays is None else (delays.mean, delays.late_share)
    return (*known, *(observed.get(name) for name in WEATHER))


def test_nothing_is_told_before_it_is_known(events: list[Event]) -> None:
    """Moments never go back by more than the hour in which records stand; outcomes come after their questions."""
    asked, newest = set(), ""
    for event in events:
        if event["event"] == "request":
            assert event["at"] >= newest
            asked.add(event["id"])
        elif event["event"] == "records":
            newest, local = event["at"], _local(event["at"])
            assert all(departure.split(",")[0] <= local for departure in _departures(event))
        elif event["event"] == "outcome":
            assert event["id"] in asked
    assert ["upload", "upload", "month"] == [event["event"] for event in events[-3:]]


def _departures(event: Event) -> list[str]:
    return [one for record in event["records"] for one in record.get("departures", "").split()]


def _local(utc: str) -> str:
    moment = pl.Series([datetime.fromisoformat(utc.removesuffix("Z"))]).dt.replace_time_zone("UTC")
    return f"{moment.dt.convert_time_zone('America/New_York')[0]:%Y-%m-%dT%H:%M}"


def test_the_command_tells_a_sample(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The months before come as files alone; of the sample's flights, those that landed have an outcome."""
    assert 0 == main(["--from", "2013-02", "--to", "2013-02", "--sample", "0.02", "--folder", str(tmp_path)])
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    kinds = Counter(event["event"] for event in told)
    assert 400 < kinds["request"] < 600
    assert 0.9 * kinds["request"] < kinds["outcome"] < kinds["request"]
    uploads = [event["file"] for event in told if event["event"] == "upload"]
    assert ["flights/2013-01/flights.csv", "weather/2013-01/weather.csv"] == uploads[:2]
    assert all((tmp_path / file).is_file() for file in uploads)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "2013-08", "--to", "2013-07"], "--from 2013-08 is after --to 2013-07"),
        (["--from", "2014-01", "--to", "2014-02"], "found '2014-01', allowed is a month from 2013-01 to 2013-12"),
        (["--from", "2013-07", "--to", "2013-07", "--sample", "2"], "found '2', allowed is a number above 0, up to 1"),
    ],
)
def test_wrong_arguments_are_named(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What was found and what is allowed."""
    with pytest.raises(SystemExit, match="2"):
        main([*words, "--folder", "nowhere"])
    assert said in capsys.readouterr().err
