"""What the figures of a replay are computed from once more: flights as they were known, and what went over the wire."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from tests.replay.recomputed.flights import Flight, flights
from tests.replay.recomputed.traffic import asked, captured, labels

FLIGHTS = """year,month,day,dep_delay,arr_delay,carrier,origin,dest,sched_arr_time,distance,hour,minute,time_hour
2013,7,1,30,40,UA,EWR,ORD,1010,719,8,0,2013-07-01T12:00:00Z
2013,7,1,-2,-9,AA,EWR,MIA,1215,1085,9,15,2013-07-01T13:00:00Z
2013,7,1,NA,NA,UA,EWR,ORD,1300,719,11,13,2013-07-01T15:00:00Z
2013,7,1,4,15,B6,JFK,LAX,2400,2475,21,30,2013-07-02T01:00:00Z
"""
WEATHER = """origin,temp,dewp,humid,wind_dir,wind_speed,precip,pressure,visib,time_hour
EWR,70.5,60,55,NA,8,0,1012,10,2013-07-01T14:00:00Z
EWR,99,60,55,10,8,0,1012,10,2013-07-01T15:00:00Z
"""


@pytest.fixture
def found(tmp_path: Path) -> dict[str, Flight]:
    """The flights by their local departure."""
    for table, text in (("flights", FLIGHTS), ("weather", WEATHER)):
        folder = tmp_path / table / "2013-07"
        folder.mkdir(parents=True)
        (folder / f"{table}.csv").write_text(text)
    return {flight.key[3]: flight for flight in flights(tmp_path)}


def test_departures_count_from_three_hours_to_one_hour_before(found: dict[str, Flight]) -> None:
    """For 11:13: 8:30 and 9:13 left in time, the latter in the very last minute."""
    features = found["2013-07-01T11:13"].features
    assert ((30 - 2) / 2, 1 / 2) == (features["airport_delay"], features["airport_late_share"])


def test_nothing_that_was_not_known_counts(found: dict[str, Flight]) -> None:
    """For 9:15 the flight of 8:30 is too young, another airport's never counts, and weather is of the hour before."""
    assert [None, None] == [found[at].features["airport_delay"] for at in ("2013-07-01T09:15", "2013-07-01T21:30")]
    at_eleven = found["2013-07-01T11:13"].features
    assert (70.5, None) == (at_eleven["temp"], at_eleven["wind_dir"])


def test_a_flight_is_late_by_its_arrival(found: dict[str, Flight]) -> None:
    """By more than 15 minutes; one that never arrived is neither. Midnight is 24:00 in timetables."""
    assert [True, False, None, False] == [flight.late for flight in found.values()]
    midnight = found["2013-07-01T21:30"].features
    assert (0, 150, 1) == tuple(midnight[name] for name in ("arrival_minute", "clock_minutes", "day_of_week"))


def test_what_went_over_the_wire_is_read(tmp_path: Path) -> None:
    """Captured lines by variant without open files, the newest label of each, and probes apart."""
    side = {"observedContentType": "application/json", "encoding": "JSON"}
    line = {
        "captureData": {
            "endpointInput": side | {"data": '{"instances":[{"origin":"EWR"}]}'},
            "endpointOutput": side | {"data": '{"predictions":[0.25]}'},
        },
        "eventMetadata": {"eventId": "e", "inferenceId": "p", "inferenceTime": "1970-01-01T00:01:00Z"},
    }
    hour = tmp_path / "bucket" / "v1-0" / "1970" / "01" / "01" / "00"
    hour.mkdir(parents=True)
    (hour / "a.jsonl").write_text(json.dumps(line) + "\n")
    (tmp_path / "bucket" / ".open").mkdir()
    (row,) = captured(tmp_path / "bucket").pop("v1-0")
    assert (60.0, "p", {"origin": "EWR"}, 0.25) == (row.at, row.id, row.features, row.prediction)

    hour = tmp_path / "labels" / "1970" / "01" / "01" / "00"
    hour.mkdir(parents=True)
    for name, value in (("19700101T000200000000-a", "0"), ("19700101T000300000000-b", "1")):
        metadata = {"eventId": "p", "source": "device", "occurredAt": "2013-07-01T11:13:00"}
        label = {"groundTruthData": {"data": value, "encoding": "CSV"}, "eventMetadata": metadata}
        (hour / f"{name}.jsonl").write_text(json.dumps(label) + "\n")
    label = labels(tmp_path / "labels")["p"]
    assert (1, "2013-07-01", 180.0) == (label.value, label.day, label.written)

    names = "id, origin, destination, carrier, departure, model_version, device"
    with sqlite3.connect(tmp_path / "app.db") as connection:
        connection.execute(f"CREATE TABLE predictions ({names})")
        for id, device in (("p", "d"), ("probe", None)):
            row_of = (id, "EWR", "ORD", "UA", "2013-07-01 11:13:00.000000", "v1.0", device)
            connection.execute("INSERT INTO predictions VALUES (?, ?, ?, ?, ?, ?, ?)", row_of)
    connection.close()
    kept = asked(tmp_path / "app.db")
    assert [False, True] == [kept[id].is_probe for id in ("p", "probe")]
    assert (("EWR", "ORD", "UA", "2013-07-01T11:13"), "v1.0") == (kept["p"].flight, kept["p"].version)
