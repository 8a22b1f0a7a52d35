"""Where the files of a group lie, as SageMaker's offline store lays them out: a folder for each hour of event time.

`GROUP/data/year=2013/month=07/day=04/hour=12/20130704T121500Z_0123456789abcdef.parquet`: the newest event time in the
file, and 16 characters of its digest.
"""

from __future__ import annotations

import fcntl
import glob
import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from offline_features.groups import Group
from offline_features.problems import Problem

_HOUR = "year=%Y/month=%m/day=%d/hour=%H"
_FILE = "[0-9]*.parquet"


@contextmanager
def locked(offline: Path, *, exclusive: bool) -> Iterator[None]:
    """Hold an environment's files: alone, or together with others that only read."""
    offline.mkdir(parents=True, exist_ok=True)
    with (offline / ".lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield


def hour_folder(offline: Path, group: Group, hour: datetime) -> Path:
    """The folder of the records whose event time is in that hour."""
    return offline / group.name / "data" / hour.strftime(_HOUR)


def files(offline: Path, group: Group, since: datetime, until: datetime) -> list[Path]:
    """The group's files, by hour, of the hours that hold a moment between the two."""
    root = offline / group.name / "data"
    first, last = (moment.strftime(_HOUR) for moment in (since, until))
    # There may be thousands: as texts they are found and compared in a tenth of the time.
    found = glob.glob(f"*/*/*/*/{_FILE}", root_dir=root)  # noqa: PTH207
    return [root / path for path in sorted(found) if first <= path[: len(first)] <= last]


def in_hour(folder: Path) -> list[Path]:
    """The files of one hour: one, but for a compaction that was cut off."""
    return sorted(folder.glob(_FILE))


def read(paths: list[Path], columns: dict[str, pl.DataType]) -> pl.DataFrame:
    """These columns of the files, in their order; null where a file is older than a feature. Raises Problem."""
    if not paths:
        return pl.DataFrame(schema=columns)
    try:
        # All of each file is read, and files are small: what would be looked up first costs more than it saves.
        found = pl.scan_parquet(
            paths, schema=columns, missing_columns="insert", extra_columns="ignore",
            glob=False, hive_partitioning=False, parallel="none", use_statistics=False,
        )  # fmt: skip
        return found.collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise Problem(
            f"{paths[0].parents[4]}: {first[:300]}; a feature keeps its type for as long as it has a history: "
            "give a new type a new name, or move the damaged file away"
        ) from None


def write(folder: Path, records: pl.DataFrame, newest: datetime) -> Path:
    """Write a file that is either there as a whole or not at all, also where the machine loses its power."""
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(".incoming-*"):
        left.unlink()
    content = io.BytesIO()
    records.write_parquet(content, compression="zstd")
    digest = hashlib.sha256(content.getbuffer()).hexdigest()[:16]
    path = folder / f"{newest.astimezone(UTC):%Y%m%dT%H%M%SZ}_{digest}.parquet"
    incoming = folder / f".incoming-{digest}"
    with incoming.open("wb") as file:
        file.write(content.getbuffer())
        file.flush()
        os.fsync(file.fileno())
    incoming.replace(path)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return path
