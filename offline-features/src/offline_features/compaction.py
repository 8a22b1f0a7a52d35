"""Takes what was put from the store's database into Parquet files, one for each hour of event time.

A record leaves the database after the file that holds it is on disk. Cut off in between it is in both, which changes no
answer; the next compaction ends it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import polars as pl

from offline_features.groups import ASKED, DELETED, MICROSECONDS, WRITTEN, Group, moments
from offline_features.layout import hour_folder, in_hour, locked, read, write
from offline_features.problems import Problem

AT_ONCE = 20_000
"""Records that are in memory at a time."""
_WAIT = 30.0
_RAW: dict[str, pl.DataType] = {
    "number": pl.Int64(), "id": pl.String(), "event": pl.Float64(), "written": pl.Int64(), "asked": pl.Int64(),
    "deleted": pl.Boolean(), "record": pl.String(),
}  # fmt: skip
_ARRIVALS = """
SELECT number, record_id, event_time, written, asked, deleted, record FROM arrivals
WHERE feature_group = ? AND number > ? AND number <= ? ORDER BY number LIMIT ?
"""


def compact(online: Path, offline: Path, groups: Sequence[Group]) -> Mapping[str, int]:
    """How many records of each group went into files. Raises Problem."""
    if not online.exists():
        return {}
    # Closed at the end of the block: sqlite3's own context manager does not.
    with locked(offline, exclusive=True), closing(_opened(online)) as database:
        try:
            # A store of before there was a history has no arrivals until something is put.
            there = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'arrivals'").fetchone()
            return {group.name: _compact(database, offline, group) for group in groups} if there else {}
        except sqlite3.Error as error:
            raise Problem(f"{online}: {error}") from None


def _opened(online: Path) -> sqlite3.Connection:
    return sqlite3.connect(online, isolation_level=None, timeout=_WAIT)


def _compact(database: sqlite3.Connection, offline: Path, group: Group) -> int:
    taken = 0
    for last, arrived in _batches(database, group):
        records = _typed(arrived, group)
        for (_hour,), part in records.group_by(pl.col("_event").dt.truncate("1h"), maintain_order=True):
            _merge(offline, group, part)
        database.execute("DELETE FROM arrivals WHERE feature_group = ? AND number <= ?", (group.name, last))
        taken += arrived.height
    return taken


def _batches(database: sqlite3.Connection, group: Group) -> Iterator[tuple[int, pl.DataFrame]]:
    """What had arrived when this began, in that order; each batch with its last number."""
    (end,) = database.execute("SELECT coalesce(max(number), 0) FROM arrivals").fetchone()
    after = 0
    while rows := database.execute(_ARRIVALS, (group.name, after, end, AT_ONCE)).fetchall():
        after = rows[-1][0]
        yield after, pl.DataFrame(rows, schema=_RAW, orient="row")


def _typed(arrived: pl.DataFrame, group: Group) -> pl.DataFrame:
    """The records in the group's columns, with `_event`, their moment."""
    texts = arrived["record"].str.json_decode(pl.Struct(dict.fromkeys(group.types, pl.String))).struct.unnest()
    event = (arrived["event"] * 1e6).round().cast(pl.Int64).cast(MICROSECONDS)
    # A deletion has no values: it is the record's, and of a moment.
    said = event.dt.strftime("%Y-%m-%dT%H:%M:%S.%3fZ")
    if group.types[group.event_time] == "Fractional":
        said = arrived["event"].cast(pl.String)
    texts = texts.with_columns(texts[group.record_id].fill_null(arrived["id"]), texts[group.event_time].fill_null(said))
    typed = texts.select(_cast(texts[name], group) for name in group.types)
    own = {WRITTEN: arrived["written"].cast(MICROSECONDS), ASKED: arrived["asked"].cast(MICROSECONDS)}
    return typed.with_columns(**own, **{DELETED: arrived["deleted"]}, _event=event)


def _cast(texts: pl.Series, group: Group) -> pl.Series:
    kind = group.types[texts.name]
    values = texts.cast(group.schema[texts.name], strict=False)
    if values.null_count() > texts.null_count():
        wrong = texts.filter(values.is_null() & texts.is_not_null())[0]
        raise Problem(
            f"{group.name}.{texts.name}: a record that was put holds {wrong[:60]!r}, which is no {kind}: give the "
            "feature the type back that it had then in shipway.yaml, and a new type a new name"
        )
    return values


def _merge(offline: Path, group: Group, records: pl.DataFrame) -> None:
    """Put records of one hour beside those that its file has, as one file."""
    folder = hour_folder(offline, group, records["_event"][0])
    before = in_hour(folder)
    there = read(before, group.schema)
    together = pl.concat([there.with_columns(_event=moments(there[group.event_time])), records])
    # A record that a compaction which was cut off has left in both is one record.
    together = together.unique([group.record_id, "_event", WRITTEN], keep="first", maintain_order=True)
    together = together.sort("_event", WRITTEN, maintain_order=True)
    path = write(folder, together.drop("_event"), together["_event"][-1])
    for old in before:
        if old != path:
            old.unlink()
