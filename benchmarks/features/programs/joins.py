"""Point-in-time joins in one process, in turns: ours, pandas' merge_asof, Feast. Prints a JSON object for each round.

`python joins.py FOLDER ROUNDS ROWS FEAST_ROWS`. Rates are rows a second of CPU. Every answer is compared first.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64
from offline_features.groups import MICROSECONDS, Group
from offline_features.joining import Asked, Wanted, join
from offline_features.layout import hour_folder, write
from offline_features.point_in_time import known_at

IDS, FEATURES, DAYS = 3000, 8, 30
NAMES = [f"f{n}" for n in range(FEATURES)]
BASE = pd.Timestamp("2013-07-01", tz="UTC")
GROUP = Group("w", "id", "at", {"id": "String", "at": "Fractional", **dict.fromkeys(NAMES, "Fractional")}, None)


def main(folder: Path, rounds: int, count: int, feast_count: int) -> None:
    """Make the tables, compare the answers, measure."""
    draw = np.random.default_rng(2013)
    contestants = {**in_memory(draw, count), **from_files(draw, feast_count, folder)}
    for number in range(rounds + 1):
        rates = {name: rows / cpu_seconds(call) for name, (rows, call) in contestants.items()}
        # the first round warms up
        if number:
            print(json.dumps(rates), flush=True)


def cpu_seconds(call: Callable[[], Any]) -> float:
    """What one call takes, of all threads."""
    began = time.process_time()
    call()
    return time.process_time() - began


def in_memory(draw: np.random.Generator, count: int) -> dict[str, tuple[int, Callable[[], Any]]]:
    """Tables to tables; the records lie in the order of their times, as they come from files."""
    records, rows = tables(draw, count)
    records = records.sort_values("at", ignore_index=True)
    ours = pl.from_pandas(records).with_columns(pl.col("at", "written").cast(MICROSECONDS))
    ours = ours.rename({"id": "_id", "at": "_event", "written": "_written"}).with_columns(is_deleted=False)
    asked = pl.from_pandas(rows).with_columns(pl.col("at").cast(MICROSECONDS))
    theirs = records.drop(columns="written")

    def own(available: Any) -> pl.DataFrame:
        return known_at(asked["id"], asked["at"], ours, available, None)

    def merge_asof() -> pd.DataFrame:
        return pd.merge_asof(rows.sort_values("at", kind="stable"), theirs, on="at", by="id")

    expected = merge_asof().sort_values("row")["f0"].to_numpy()
    np.testing.assert_array_equal(expected, own("event")["f0"].cast(pl.Float64).fill_null(np.nan).to_numpy())
    return {
        "ours, in memory": (count, lambda: own("event")),
        "ours, in memory, written before": (count, lambda: own("write")),
        "merge_asof": (count, merge_asof),
    }


def from_files(draw: np.random.Generator, count: int, folder: Path) -> dict[str, tuple[int, Callable[[], Any]]]:
    """Files of records and rows to a table: ours writes it as a file, Feast has it in memory."""
    records, rows = tables(draw, count)
    lay_out(records, folder / "offline")
    rows_file, output = folder / "rows.parquet", folder / "joined.parquet"
    pl.from_pandas(rows).write_parquet(rows_file)
    asked = Asked(rows_file, output, "at", [Wanted(GROUP, "id")], "any")

    def own() -> None:
        output.unlink(missing_ok=True)
        join(folder / "offline", asked)

    own()
    joined = pl.read_parquet(output)
    assert joined["row"].to_list() == list(range(count))
    retrieve = feast(records, folder)
    entities = rows.rename(columns={"at": "event_timestamp"})
    found = retrieve(entities)
    # Feast leaves out rows of which nothing is known, and doubled ones: those that it has must be the same.
    theirs = found.sort_values("row")
    assert count * 0.9 < len(theirs) <= joined["w.f0"].count()
    np.testing.assert_array_equal(theirs["f0"].to_numpy(), joined["w.f0"].gather(theirs["row"].to_numpy()).to_numpy())
    return {"ours, from files": (count, own), "Feast": (count, lambda: retrieve(entities))}


def tables(draw: np.random.Generator, count: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """As many records as rows, of a month."""

    def some() -> dict[str, Any]:
        seconds = draw.integers(0, DAYS * 86400, count)
        return {"id": draw.integers(0, IDS, count).astype(str), "at": BASE + pd.to_timedelta(seconds, unit="s")}

    # of two records with one id and time the answers would differ
    records = pd.DataFrame(some()).drop_duplicates(ignore_index=True)
    records["written"] = records["at"] + pd.Timedelta(seconds=2)
    for name in NAMES:
        records[name] = draw.random(len(records))
    return records, pd.DataFrame({**some(), "row": range(count)})


def lay_out(records: pd.DataFrame, offline: Path) -> None:
    """As compaction leaves them: a file for each hour."""
    table = pl.from_pandas(records).with_columns(pl.col("at", "written").cast(MICROSECONDS))
    for (hour,), part in table.group_by(pl.col("at").dt.truncate("1h")):
        own = part.sort("at").select(
            "id", pl.col("at").dt.epoch("us") / 1e6, *NAMES,
            write_time="written", api_invocation_time="written", is_deleted=pl.lit(False),
        )  # fmt: skip
        write(hour_folder(offline, GROUP, hour), own, part["at"].max())


def feast(records: pd.DataFrame, folder: Path) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Its file store, as its documentation sets it up."""
    file = folder / "feast.parquet"
    records.to_parquet(file)
    source = FileSource(path=str(file), timestamp_field="at", created_timestamp_column="written")
    entity = Entity(name="id", join_keys=["id"], value_type=ValueType.STRING)
    schema = [Field(name=name, dtype=Float64) for name in NAMES]
    view = FeatureView(name="w", entities=[entity], ttl=timedelta(0), schema=schema, source=source)
    store = FeatureStore(
        config=RepoConfig(
            project="benchmark", registry=str(folder / "registry.db"), provider="local",
            online_store={"type": "sqlite", "path": str(folder / "online.db")}, offline_store={"type": "file"},
            entity_key_serialization_version=3,
        )
    )  # fmt: skip
    store.apply([entity, view])
    names = [f"w:{name}" for name in NAMES]
    return lambda entities: store.get_historical_features(entity_df=entities, features=names).to_df()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
