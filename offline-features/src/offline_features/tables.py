"""The rows that are asked about, and the answer: CSV or Parquet by the file's name."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl

from offline_features.groups import moments
from offline_features.problems import Problem

ENDINGS = (".csv", ".parquet")
LARGEST = 4 << 30
"""Bytes of a file of rows: they are in memory as a whole."""


def read(path: Path) -> pl.DataFrame:
    """All rows, those of CSV as texts, so that they are written as they were. Raises Problem."""
    _check_ending(path)
    if not path.is_file():
        raise Problem(f"there is no {path}")
    try:
        if (size := path.stat().st_size) > LARGEST:
            raise Problem(f"{path}: found {size:,} bytes, allowed are {LARGEST:,}: divide it into several")
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        return pl.read_csv(path, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        allowed = "a whole Parquet file" if path.suffix == ".parquet" else "a whole CSV file, with a header"
        raise Problem(f"{path}: {first[:300]}; allowed is {allowed}") from None


def keys(rows: pl.DataFrame, name: str, kind: str, path: Path) -> pl.Series:
    """The ids that a column names, as texts, or whole numbers for an id that is Integral. Raises Problem."""
    column = _column(rows, name, path)
    if kind != "Integral":
        return column.cast(pl.String)
    found = column.cast(pl.Int64, strict=False)
    _check_all(found, column, path, "a whole number")
    return found


def times(rows: pl.DataFrame, name: str, path: Path) -> pl.Series:
    """The moments that a column names. Raises Problem."""
    column = _column(rows, name, path)
    if not (column.dtype.is_temporal() or column.dtype.is_numeric() or column.dtype in (pl.String, pl.Null)):
        raise Problem(f"{path}: {name}: found {column.dtype}, allowed are texts, numbers, and dates with times")
    found = moments(column)
    _check_all(found, column, path, "2013-07-04T12:15:00Z or Unix time")
    return found


def write(path: Path, rows: pl.DataFrame) -> None:
    """Write the answer, whole or not at all. Raises Problem for a name that says no format or is taken."""
    _check_ending(path)
    incoming = path.with_name(f".{path.name}.{os.getpid()}.incoming")
    try:
        if path.suffix == ".parquet":
            rows.write_parquet(incoming)
        else:
            rows.write_csv(incoming, datetime_format="%Y-%m-%dT%H:%M:%S%.fZ")
        # a link fails where there is a file, and a rename does not
        os.link(incoming, path)
    except FileExistsError:
        raise Problem(f"{path} is there already: name another file") from None
    except OSError as error:
        raise Problem(f"{path}: {error.strerror}: name a file in a folder that is there and has room") from None
    finally:
        incoming.unlink(missing_ok=True)


def _check_ending(path: Path) -> None:
    if path.suffix not in ENDINGS:
        raise Problem(f"{path}: found the ending {path.suffix or 'of no format'}, allowed are {' and '.join(ENDINGS)}")


def _column(rows: pl.DataFrame, name: str, path: Path) -> pl.Series:
    if name not in rows.columns:
        raise Problem(f"{path}: found no column {name}; it has: {', '.join(rows.columns)[:300]}")
    return rows[name]


def _check_all(found: pl.Series, given: pl.Series, path: Path, allowed: str) -> None:
    wrong = found.is_null() & given.is_not_null()
    if not wrong.any():
        return
    row = wrong.arg_max() or 0
    # Where a text goes over several lines, the line is an earlier one.
    where = f"line {row + 2}" if path.suffix == ".csv" else f"row {row + 1}"
    raise Problem(f"{path}, {where}: {given.name}: found {str(given[row])[:60]!r}, allowed is {allowed}")
