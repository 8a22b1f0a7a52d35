"""Joins rows with what groups of records knew at each row's time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from offline_features import layout, tables
from offline_features.groups import DELETED, WRITTEN, Group, moments
from offline_features.point_in_time import known_at
from offline_features.problems import Problem

_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(5200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A group, and the rows' column that names its records."""

    group: Group
    key: str


@dataclass(frozen=True, slots=True)
class Asked:
    """The rows' file, the column of their times, and where the answer goes.

    `written`: `row`: what was written by the row's time; `any`: whenever; or Unix time: what was written by then.
    """

    rows: Path
    output: Path
    time: str
    wanted: Sequence[Wanted]
    written: str | float


def join(offline: Path, asked: Asked) -> Mapping[str, int]:
    """Write the rows with each group's features as GROUP.FEATURE; for how many of them each group knew something."""
    rows = tables.read(asked.rows)
    at = tables.times(rows, asked.time, asked.rows)
    found: dict[str, int] = {"rows": rows.height}
    joined = [rows]
    with layout.locked(offline, exclusive=False):
        for wanted in asked.wanted:
            known = _known(offline, wanted, rows, at, asked)
            found[wanted.group.name] = known.height - known[wanted.group.event_time].null_count()
            joined.append(known.rename(lambda name, group=wanted.group.name: f"{group}.{name}"))  # type: ignore[misc]
    names = [name for part in joined for name in part.columns]
    if twice := {name for name in names if names.count(name) > 1}:
        raise Problem(f"{asked.rows}: has a column {min(twice)} already: give it another name")
    tables.write(asked.output, pl.concat(joined, how="horizontal"))
    return found


def _known(offline: Path, wanted: Wanted, rows: pl.DataFrame, at: pl.Series, asked: Asked) -> pl.DataFrame:
    """The group's features for each row, without the record id, which the row has."""
    group = wanted.group
    keys = tables.keys(rows, wanted.key, group.types[group.record_id], asked.rows)
    records = _records(offline, group, at)
    if not isinstance(asked.written, str):
        records = records.filter(pl.col("_written") <= datetime.fromtimestamp(asked.written, UTC))
    return known_at(keys, at, records, "write" if asked.written == "row" else "event", group.ttl)


def _records(offline: Path, group: Group, at: pl.Series) -> pl.DataFrame:
    """What may matter to rows of these times, in the columns that `known_at` takes."""
    first, last = at.min(), at.max()
    since, until = _FIRST, last if isinstance(last, datetime) else _FIRST
    if group.ttl is not None and isinstance(first, datetime):
        since = max(_FIRST, first - timedelta(seconds=group.ttl))
    found = layout.read(layout.files(offline, group, since, until), group.schema)
    columns = [pl.col(name) for name in group.types if name != group.record_id]
    own = {"_id": pl.col(group.record_id), "_written": pl.col(WRITTEN), "_event": moments(found[group.event_time])}
    return found.select(*columns, DELETED, **own)
