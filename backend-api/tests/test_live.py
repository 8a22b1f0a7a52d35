"""What is known now: read from the online store, and done without when it is away."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from backend import FLIGHT, Backend, wait_for
from backend_api import live
from backend_api.live import LiveFeatures
from conftest import Start
from ontime_features.departures import Departure, written
from standin import StandIn

# Together they take as long as a third of the others: a rollout does not wait for them.
pytestmark = pytest.mark.slow

SCHEMA = """CREATE TABLE records (feature_group TEXT, record_id TEXT, event_time REAL, expires REAL, deleted INTEGER,
record TEXT, PRIMARY KEY (feature_group, record_id)) WITHOUT ROWID"""
INSERT = "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?, ?)"
DEPARTURE = datetime(2013, 7, 4, 8, 15)
LEFT = written([
    Departure(DEPARTURE - timedelta(minutes=before), delay)
    for before, delay in ((181, 90), (180, 90), (179, 10), (60, 20), (59, 90))
])  # fmt: skip
WEATHER = {"hour": "2013-07-04T07:00", "temp": "80.06", "wind_dir": "220", "visib": "10"}
Put = Callable[..., None]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """An empty online store."""
    return made(tmp_path / "online.db")


def made(path: Path, **records: dict[str, Any]) -> Path:
    """An online store with these records of JFK, by group, as whoever fills it leaves it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.executescript(f"PRAGMA journal_mode=WAL; {SCHEMA};")
        for group, record in records.items():
            database.execute(INSERT, (group, "JFK", 0.0, None, False, json.dumps(record)))
    return path


@pytest.fixture
def put(store: Path) -> Iterator[Put]:
    """Puts a record of JFK while tasks read."""
    with closing(sqlite3.connect(store, isolation_level=None)) as database:

        def put(group: str, record: dict[str, Any], expires: float | None = None, deleted: bool = False) -> None:
            database.execute(INSERT, (group, "JFK", 0.0, expires, deleted, json.dumps(record)))

        yield put


@pytest.fixture
def begin(start: Start) -> Start:
    """Starts a backend that waits longer for the store than a busy machine keeps it."""
    return partial(start, features_deadline=1.0)


def counts(backend: Backend) -> dict[str, Any]:
    """What `GET /features` tells."""
    return backend.call("GET", "/features").json


def test_live_records_go_before_typical_figures(begin: Start, store: Path, put: Put, model: StandIn) -> None:
    """Delays of departures 180 to 60 minutes before, the hour's weather; the answer says what it rests on."""
    put("airport", {"departures": LEFT})
    put("weather", WEATHER)
    backend = begin(features=store)
    answer = backend.predict().json
    assert {"airport": "live", "weather": "live"} == answer["basis"]
    assert answer == backend.call("GET", f"/api/predictions/{answer['id']}").json
    row = model.asked[0].instance
    assert (15.0, 0.5) == (row["airport_delay"], row["airport_late_share"])
    assert (80.06, 220.0, 10.0, None) == (row["temp"], row["wind_dir"], row["visib"], row["dewp"])
    assert {"airport": {"live": 1}, "weather": {"live": 1}} == counts(backend)


def test_what_the_client_tells_goes_before_both(begin: Start, store: Path, put: Put, model: StandIn) -> None:
    """A client with a forecast knows better."""
    put("weather", WEATHER)
    begin(features=store).predict(FLIGHT | {"weather": {"temp": 70.0}})
    assert (70.0, 220.0) == (model.asked[0].instance["temp"], model.asked[0].instance["wind_dir"])


def typical(model: StandIn, backend: Backend) -> bool:
    """Whether the next answer rests on typical figures, and says so."""
    model.reset()
    answer = backend.predict().json
    row = model.asked[0].instance
    assert {"airport": "typical", "weather": "typical"} == answer["basis"]
    return bool(row["airport_delay"] is not None and row["wind_dir"] is None and row["temp"] is not None)


def test_nothing_is_counted_without_a_store(backend: Backend, model: StandIn) -> None:
    """Typical figures are then what is meant."""
    assert typical(model, backend)
    assert {"airport": {}, "weather": {}} == counts(backend)


def test_records_that_are_not_there(begin: Start, store: Path, put: Put, model: StandIn) -> None:
    """None, deleted or expired: absent."""
    backend = begin(features=store)
    assert typical(model, backend)
    put("airport", {}, deleted=True)
    put("weather", WEATHER, expires=time.time() - 1)
    assert typical(model, backend)
    assert {"airport": {"absent": 2}, "weather": {"absent": 2}} == counts(backend)


@pytest.mark.parametrize("hour", ["2013-07-04T04:00", "2013-07-04T08:00"])
def test_records_of_another_time(begin: Start, store: Path, put: Put, model: StandIn, hour: str) -> None:
    """Too old for the flight, or of after what could be known: stale. So is everything for a flight next week."""
    put("airport", {"departures": written([Departure(DEPARTURE - timedelta(minutes=181), 90)])})
    put("weather", WEATHER | {"hour": hour})
    backend = begin(features=store)
    assert typical(model, backend)
    assert {"airport": {"stale": 1}, "weather": {"stale": 1}} == counts(backend)


def test_what_is_put_is_known_at_once(store: Path, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that was read is believed until somebody writes, or it expires."""
    known = LiveFeatures(store, deadline=1.0)
    assert {"airport": "absent", "weather": "absent"} == known.of("JFK").missing
    put("airport", {"departures": LEFT})
    put("weather", WEATHER, expires=2000.0)
    monkeypatch.setattr(time, "time", lambda: 1999.0)
    both = known.of("JFK")
    assert both.departures is not None and both.observed is not None
    assert both.departures is known.of("JFK").departures
    assert known.of("EWR").departures is None
    monkeypatch.setattr(time, "time", lambda: 2000.0)
    assert {"weather": "absent"} == known.of("JFK").missing
    put("airport", {"departures": ""})
    assert [] == known.of("JFK").departures
    known.close()


def test_another_file_in_its_place(tmp_path: Path) -> None:
    """Nothing that was read from the one before is believed."""
    store = made(tmp_path / "online.db", airport={"departures": LEFT})
    known = LiveFeatures(store, deadline=1.0)
    assert {"weather": "absent"} == known.of("JFK").missing
    made(tmp_path / "other.db", weather=WEATHER).replace(store)
    assert {"airport": "absent"} == known.of("JFK").missing
    known.close()


def test_nothing_left_in_that_time(begin: Start, store: Path, put: Put, model: StandIn) -> None:
    """Known to be nothing is not the same as not known: the model learnt it as null."""
    put("airport", {"departures": written([Departure(DEPARTURE - timedelta(minutes=30), 90)])})
    assert "live" == begin(features=store).predict().json["basis"]["airport"]
    assert model.asked[0].instance["airport_delay"] is None


@pytest.mark.parametrize("damage", ["no file", "no database", "no table", "another record"])
def test_store_that_cannot_be_read(
    begin: Start, tmp_path: Path, model: StandIn, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    """Nobody is failed by it, and once it is mended it is read again, by the same task."""
    monkeypatch.setattr(live, "LEFT_ALONE", 0.0)
    store = tmp_path / "online.db"
    if damage == "no database":
        store.write_bytes(b"not SQLite" * 1000)
    elif damage == "no table":
        sqlite3.connect(store).close()
    elif damage == "another record":
        made(store, airport={"departures": "x"})
    backend = begin(features=store)
    assert typical(model, backend)
    assert {"airport": {"away": 1}, "weather": {"away": 1}} == counts(backend)
    made(tmp_path / "good.db", airport={"departures": LEFT}, weather=WEATHER).replace(store)
    wait_for(lambda: backend.predict().json["basis"] == {"airport": "live", "weather": "live"})


def test_store_that_is_slow(start: Start, store: Path, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some reads that took longer than the deadline no request waits for the store, for a second."""
    put("airport", {"departures": LEFT})
    backend = start(features=store, features_deadline=1e-9)
    found = [backend.predict().json["basis"]["airport"] for _ in range(live.SLOW_IN_A_ROW + 1)]
    assert ["live"] * live.SLOW_IN_A_ROW + ["typical"] == found
    slow = live.SLOW_IN_A_ROW
    assert {"airport": {"live": slow, "late": 1}, "weather": {"absent": slow, "late": 1}} == counts(backend)
    monkeypatch.setattr(live, "LEFT_ALONE", 0.0)
    wait_for(lambda: backend.predict().json["basis"]["airport"] == "live")


def test_a_lookup_asks_for_its_records_and_for_no_definitions(
    store: Path, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether somebody wrote, and then one statement for each record, whatever groups are declared."""
    put("airport", {"departures": LEFT})
    put("weather", WEATHER)
    said: list[str] = []
    connect = sqlite3.connect

    def traced(*given: Any, **more: Any) -> sqlite3.Connection:
        opened = connect(*given, **more)
        opened.set_trace_callback(said.append)
        return opened

    monkeypatch.setattr(live.sqlite3, "connect", traced)
    reader = live.LiveFeatures(store, deadline=1.0)
    try:
        assert {} == reader.of("JFK").missing
        assert ["PRAGMA data_version", "records", "records"] == [_asked_for(text) for text in said]
        said.clear()
        assert {} == reader.of("JFK").missing
        assert ["PRAGMA data_version"] == said
    finally:
        reader.close()


def _asked_for(statement: str) -> str:
    """The table that it reads, or the statement itself."""
    return statement.partition(" FROM ")[2].partition(" ")[0] or statement
