"""The join against a loop that does what the words say."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from offline_features.groups import MICROSECONDS
from offline_features.point_in_time import known_at
from store import WEATHER, Arrival, Store

Row = tuple[str | None, int | None]
_IDS, _TIMES = st.sampled_from(["JFK", "LGA", "EWR"]), st.integers(1000, 1012)
_ARRIVALS = st.lists(
    st.builds(Arrival, _IDS, _TIMES, _TIMES, st.none() | st.floats(-40, 120)),
    max_size=25,
    # of two of one event time the one written later counts, so these two tell all records of an id apart
    unique_by=lambda one: (one.id, one.event, one.written),
)
_ROWS = st.lists(st.tuples(st.none() | _IDS | st.just("BOS"), st.none() | st.integers(998, 1016)), max_size=12)


def plainly(rows: Sequence[Row], arrivals: Sequence[Arrival], written: str | float, ttl: float | None) -> list[object]:
    """For each row the temperature that was known, by looking at every record."""
    answers: list[object] = []
    for id, moment in rows:
        best: Arrival | None = None
        for one in arrivals:
            if moment is None or one.id != id or one.event > moment:
                continue
            until = moment if written == "row" else written
            if not isinstance(until, str) and one.written > until:
                continue
            if best is None or (one.event, one.written) > (best.event, best.written):
                best = one
        if best is not None and ttl is not None and moment is not None and moment >= best.event + ttl:
            best = None
        answers.append(best.temp if best is not None else None)
    return answers


def joined(
    store: Store, rows: Sequence[Row], written: str | float, ttl: float | None
) -> tuple[pl.DataFrame, dict[str, int]]:
    """What the program makes of the rows."""
    given, output = store.folder / "rows.parquet", store.folder / "out.parquet"
    output.unlink(missing_ok=True)
    types = {"origin": pl.String, "when": pl.Int64, "n": pl.Int64}
    pl.DataFrame([(*row, n) for n, row in enumerate(rows)], schema=types, orient="row").write_parquet(given)
    answer = store.run(
        "join", groups={"weather": {**WEATHER, "ttl": ttl}}, rows=str(given), output=str(output), time="when",
        wanted=[("weather", "origin")], written=written,
    )  # fmt: skip
    return pl.read_parquet(output), answer["joined"]


_WRITTEN = st.sampled_from(["row", "any"]) | st.integers(1000, 1012).map(float)
_TTLS = st.none() | st.integers(1, 8).map(float)


@settings(max_examples=200)
@given(arrivals=_ARRIVALS, rows=_ROWS, written=st.sampled_from(["row", "any"]), ttl=_TTLS)
def test_what_was_known(arrivals: list[Arrival], rows: list[Row], written: str, ttl: float | None) -> None:
    """One answer for each row, in order: doubled keys, unknown ones and nulls as well."""
    micros = [(one.id, one.event * 10**6, one.written * 10**6, one.temp is None, one.temp) for one in arrivals]
    types = {"_id": pl.String, "_event": pl.Int64, "_written": pl.Int64, "is_deleted": pl.Boolean, "temp": pl.Float64}
    records = pl.DataFrame(micros, schema=types, orient="row")
    records = records.with_columns(pl.col("_event", "_written").cast(MICROSECONDS))
    moments = pl.Series([None if moment is None else moment * 10**6 for _, moment in rows], dtype=pl.Int64)
    keys = pl.Series([id for id, _ in rows], dtype=pl.String)
    found = known_at(keys, moments.cast(MICROSECONDS), records, "write" if written == "row" else "event", ttl)
    assert plainly(rows, arrivals, written, ttl) == found["temp"].to_list()


@settings(max_examples=20)
@given(arrivals=_ARRIVALS, rows=_ROWS, written=_WRITTEN, ttl=_TTLS, compacted=st.integers(0, 25), data=st.data())
def test_what_was_known_by_files(
    arrivals: list[Arrival],
    rows: list[Row],
    written: str | float,
    ttl: float | None,
    compacted: int,
    data: st.DataObject,
) -> None:
    """From tables to a table, whatever came first and whenever it was compacted."""
    expected = plainly(rows, arrivals, written, ttl)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        order = data.draw(st.permutations(arrivals))
        store.arrive(order[:compacted])
        store.run("compact")
        store.arrive(order[compacted:])
        found, counts = joined(store, rows, written, ttl)
    assert [*range(len(rows))] == found["n"].to_list()
    assert list(rows) == list(found.select("origin", "when").iter_rows())
    assert expected == found["weather.temp"].to_list()
    assert (len(rows), len(rows) - expected.count(None)) == (counts["rows"], counts["weather"])


def test_what_comes_later_changes_nothing_before(store: Store) -> None:
    """By event or by writing: the answer for a row stays when more is known afterwards."""
    store.arrive([Arrival("JFK", 1000, 1001, 70.0)])
    before, _ = joined(store, [("JFK", 1005)], "row", None)
    store.arrive([Arrival("JFK", 1006, 1004, 90.0), Arrival("JFK", 1004, 1006, 80.0), Arrival("JFK", 1003, 1009, None)])
    after, _ = joined(store, [("JFK", 1005)], "row", None)
    assert ([70.0], True) == (after["weather.temp"].to_list(), before.equals(after))
    assert [80.0] == joined(store, [("JFK", 1005)], "any", None)[0]["weather.temp"].to_list()
