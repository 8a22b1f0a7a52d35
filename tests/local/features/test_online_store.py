"""The online store of one machine: what is put is there, newest first, for whoever comes after."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from shipway.core.errors import ShipwayError
from shipway.core.features.record import Record
from shipway.local.features.online_store import OnlineStore, online_file


def of(moment: float, id: str = "JFK", **values: str) -> Record:
    """A record of the weather."""
    return Record("weather", id, moment, values)


@pytest.fixture
def store(tmp_path: Path) -> OnlineStore:
    return OnlineStore(tmp_path)


def test_newest_replaces_whole(store: OnlineStore, tmp_path: Path) -> None:
    """Later moments replace, equal ones too, earlier ones never; another store finds the same."""
    first, older, same, newest = of(10, temp="70", visib="9"), of(9), of(10, temp="71"), of(11, temp="72")
    assert [first] == store.put("dev", [first, older])
    assert [same] == store.put("dev", [same])
    assert [same] == store.get("dev", "weather", ["JFK"])
    assert [newest] == store.put("dev", [newest, first])
    assert [newest] == OnlineStore(tmp_path).get("dev", "weather", ["JFK", "LGA", "JFK"])


def test_environments_and_groups_are_apart(store: OnlineStore) -> None:
    """What is put into one is in no other."""
    store.put("dev", [of(1)])
    assert [] == store.get("prod", "weather", ["JFK"])
    assert [] == store.get("dev", "airport", ["JFK"])
    assert ({"weather": 1}, {}) == (store.counts("dev", 0), store.counts("prod", 0))


def test_deleted(store: OnlineStore) -> None:
    """Only by a later moment; then older records do not come back, unless it was deleted as if it had never been."""
    store.put("dev", [of(10)])
    assert not store.delete("dev", Record("weather", "JFK", 10, deleted=True), hard=False)
    assert store.delete("dev", Record("weather", "JFK", 11, deleted=True), hard=False)
    assert {} == store.counts("dev", 0)
    assert [] == store.put("dev", [of(10.5)])
    assert [of(12)] == store.put("dev", [of(12)])
    assert not store.delete("dev", Record("weather", "JFK", 12, deleted=True), hard=True)
    assert store.delete("dev", Record("weather", "JFK", 13, deleted=True), hard=True)
    assert [of(1)] == store.put("dev", [of(1)])


def test_expired_are_not_counted(store: OnlineStore) -> None:
    """A record is gone from the moment on at which it expires."""
    store.put("dev", [Record("weather", "JFK", 1, expires=5.0), of(1, "LGA")])
    assert [{"weather": 2}, {"weather": 1}] == [store.counts("dev", now) for now in (4.9, 5.0)]


def test_damaged_file(store: OnlineStore, tmp_path: Path) -> None:
    """Said with its place and what to do."""
    online_file(tmp_path, "dev").parent.mkdir(parents=True)
    online_file(tmp_path, "dev").write_bytes(b"not SQLite" * 1000)
    with pytest.raises(ShipwayError, match=r"online\.db: file is not a database"):
        store.put("dev", [of(1)])


def test_all_that_was_put_arrives(store: OnlineStore, tmp_path: Path) -> None:
    """In the order of the calls and of their records, with the moment of each; what was refused does not."""
    clock = [100.0]
    store = OnlineStore(tmp_path, lambda: clock[0])
    assert {} == store.arrivals("dev")
    store.put("dev", [of(10, temp="70"), of(9)])
    clock[0] = 101.5
    assert not store.delete("dev", Record("weather", "JFK", 10, deleted=True), hard=True)
    assert store.delete("dev", Record("weather", "JFK", 11, deleted=True), hard=True)
    with closing(sqlite3.connect(online_file(tmp_path, "dev"))) as database:
        found = database.execute("SELECT * FROM arrivals").fetchall()
    assert [
        (1, "weather", "JFK", 10.0, 100_000_000, 100_000_000, 0, '{"temp":"70"}'),
        (2, "weather", "JFK", 9.0, 100_000_001, 100_000_000, 0, "{}"),
        (3, "weather", "JFK", 11.0, 101_500_000, 101_500_000, 1, "{}"),
    ] == found
    assert ({"weather": 3}, {}) == (store.arrivals("dev"), store.arrivals("prod"))
