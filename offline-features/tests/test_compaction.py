"""Records on their way from the database into files."""

from __future__ import annotations

import itertools
import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from offline_features import compaction
from offline_features.problems import Problem
from store import WEATHER, Arrival, Store

NINE = int(datetime(2013, 7, 4, 9, tzinfo=UTC).timestamp())
HOUR = "weather/data/year=2013/month=07/day=04/hour=09"


def test_layout(store: Store) -> None:
    """SageMaker's: folders of the event's hour, the newest event and a digest in the name, three columns beside."""
    store.arrive([Arrival("JFK", NINE + 60, NINE + 61, 70.5), Arrival("JFK", NINE + 3600, NINE + 3601, None)])
    assert {"weather": 2} == store.run("compact")["compacted"]
    first, second = store.files()
    assert re.fullmatch(f"{HOUR}/20130704T090100Z_[0-9a-f]{{16}}.parquet", first)
    assert second.startswith("weather/data/year=2013/month=07/day=04/hour=10/20130704T100000Z_")
    records, deletions = (
        pl.read_parquet(store.folder / "offline" / path, hive_partitioning=False) for path in (first, second)
    )
    own = {
        "write_time": pl.Datetime("us", "UTC"),
        "api_invocation_time": pl.Datetime("us", "UTC"),
        "is_deleted": pl.Boolean,
    }
    features = {"airport": pl.String, "at": pl.Float64, "temp": pl.Float64, "gusts": pl.Int64, "sky": pl.String}
    assert {**features, **own} == dict(records.schema)
    written = datetime.fromtimestamp(NINE + 61, UTC)
    assert [("JFK", NINE + 60.0, 70.5, None, None, written, written, False)] == records.rows()
    assert ("JFK", NINE + 3600.0, None, True) == deletions.select("airport", "at", "temp", "is_deleted").row(0)


def test_one_file_an_hour(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes late goes into the hour of its event, in batches as well; nothing is pending afterwards."""
    monkeypatch.setattr(compaction, "AT_ONCE", 3)
    store.arrive(Arrival("JFK", NINE + n, NINE + n, float(n)) for n in range(7))
    store.run("compact")
    store.arrive([Arrival("JFK", NINE, NINE + 9, 20.0), Arrival("LGA", NINE + 3, NINE + 9, 30.0)])
    assert {"weather": 2} == store.run("compact")["compacted"]
    (file,) = store.files()
    temps = pl.read_parquet(store.folder / "offline" / file)["temp"].to_list()
    assert ([0.0, 20.0, 1.0, 2.0, 3.0, 30.0, 4.0, 5.0, 6.0], 0) == (temps, store.pending())


def test_cut_off_before_records_leave_the_database(store: Store) -> None:
    """They are in both, and count once; so does a file whose older one was not removed yet."""
    arrivals = [Arrival("JFK", NINE, NINE, 70.0), Arrival("JFK", NINE + 5, NINE + 5, 71.0)]
    store.arrive(arrivals)
    store.run("compact")
    (old,) = store.files()
    kept = (store.folder / "offline" / old).read_bytes()
    store.arrive([*arrivals, Arrival("JFK", NINE + 9, NINE + 9, 72.0)])
    store.run("compact")
    (store.folder / "offline" / old).write_bytes(kept)
    store.arrive([Arrival("JFK", NINE + 7, NINE + 7, 73.0)])
    store.run("compact")
    (file,) = store.files()
    assert [70.0, 71.0, 73.0, 72.0] == pl.read_parquet(store.folder / "offline" / file)["temp"].to_list()


class Mortal:
    """A compaction dies at its change number `left`: of the changes to files, and of deletions in the database."""

    def __init__(self, patched: pytest.MonkeyPatch, left: int) -> None:
        self.left = left
        for owner, name in ((Path, "replace"), (Path, "unlink"), (os, "fsync")):
            patched.setattr(owner, name, self._before(getattr(owner, name)))
        mortal = self

        class Database(sqlite3.Connection):
            def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
                if sql.startswith("DELETE"):
                    mortal.live()
                return super().execute(sql, *values)

        patched.setattr(compaction.sqlite3, "connect", partial(sqlite3.connect, factory=Database))

    def live(self) -> None:
        """One change less to live."""
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1

    def _before(self, change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*words: Any, **more: Any) -> Any:
            self.live()
            return change(*words, **more)

        return changed


def test_cut_off_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before each of its changes: a join finds every record once, and ends what was begun."""
    rows = tmp_path / "rows.csv"
    rows.write_text("".join(["airport,at\n", *(f"JFK,{NINE + n}\n" for n in range(4))]))
    for cut in itertools.count():
        home = Store(tmp_path / str(cut))
        home.folder.mkdir()
        home.arrive([Arrival("JFK", NINE, NINE, 70.0), Arrival("JFK", NINE + 2, NINE, 72.0)])
        home.run("compact")
        home.arrive([Arrival("JFK", NINE + 1, NINE, 71.0), Arrival("JFK", NINE + 3, NINE, None)])
        with monkeypatch.context() as patched, suppress(KeyboardInterrupt):
            mortal = Mortal(patched, cut)
            home.run("compact")
        output = home.folder / "out.csv"
        job = {"rows": str(rows), "output": str(output), "time": "at", "wanted": [("weather", "airport")]}
        home.run("join", **job, written="any")
        assert ["70.0", "71.0", "72.0", ""] == [line.split(",")[3] for line in output.read_text().splitlines()[1:]]
        assert (0, 1) == (home.pending(), len(home.files()))
        if mortal.left:
            break
    assert cut > 4


def test_a_feature_that_came_later(store: Store, tmp_path: Path) -> None:
    """Is null in what was written before; one that was given up is left out, of what still waits as well."""
    store.arrive([Arrival("JFK", NINE - 9, NINE, 70.0)])
    store.run("compact")
    store.arrive([Arrival("JFK", NINE, NINE, 71.0)])
    newer: dict[str, Any] = {**WEATHER, "types": {"airport": "String", "at": "Fractional", "wind": "Integral"}}
    rows = tmp_path / "rows.csv"
    rows.write_text(f"airport,at\nJFK,{NINE}\n")
    output = tmp_path / "out.csv"
    store.run("join", groups={"weather": newer}, rows=str(rows), output=str(output), time="at",
              wanted=[("weather", "airport")], written="any")  # fmt: skip
    assert f"airport,at,weather.at,weather.wind\nJFK,{NINE},{NINE}.0,\n" == output.read_text()


def test_a_feature_of_another_type(store: Store) -> None:
    """Is refused by name, whether records are pending or in files; nothing is lost."""
    store.arrive([Arrival("JFK", NINE, NINE, 70.5)])
    other: dict[str, Any] = {**WEATHER, "types": {**WEATHER["types"], "temp": "Integral"}}
    with pytest.raises(Problem, match=r"weather\.temp: a record that was put holds '70\.5', which is no Integral"):
        store.run("compact", groups={"weather": other})
    assert 1 == store.pending()
    store.run("compact")
    store.arrive([Arrival("JFK", NINE + 1, NINE + 1, 70.0)])
    with pytest.raises(Problem, match="a feature keeps its type for as long as it has a history"):
        store.run("compact", groups={"weather": {**WEATHER, "types": {**WEATHER["types"], "sky": "Integral"}}})


def test_other_groups_stay_pending(store: Store) -> None:
    """What shipway.yaml does not declare has no types to be written by."""
    store.arrive([Arrival("JFK", NINE, NINE, 70.0)], group="tides")
    assert ({"weather": 0}, 1) == (store.run("compact")["compacted"], store.pending())


def test_a_store_that_is_not_there_yet(store: Store) -> None:
    """Holds nothing."""
    assert {} == store.run("compact")["compacted"]


def test_a_store_without_arrivals(store: Store) -> None:
    """As it was written before there was a history."""
    with closing(sqlite3.connect(store.folder / "online.db")) as database:
        database.execute("CREATE TABLE records (record_id TEXT)")
    assert {} == store.run("compact")["compacted"]


def test_a_damaged_database(store: Store) -> None:
    """Is said by its name."""
    (store.folder / "online.db").write_bytes(b"not SQLite" * 1000)
    with pytest.raises(Problem, match=r"online\.db: file is not a database"):
        store.run("compact")
