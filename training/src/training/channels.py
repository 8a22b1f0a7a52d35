"""Reads a channel: a folder of CSV or Parquet files, one table together, believed in nothing.

What is wrong is said with file, line, what was found and what is allowed; half of a table is never read.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from datetime import date
from pathlib import Path

import polars as pl

from training.tables import DAY_FORMAT, TIME_FORMAT, TYPES, Column, Table

SUFFIXES = (".csv", ".parquet")
MISSING = ("", "NA")
_SHOWN = 60


class WrongData(ValueError):
    """The data of a channel is not what it must be."""


def files(folder: Path) -> list[Path]:
    """The channel's files, sorted. Raises WrongData when there are none, or others than CSV and Parquet."""
    found = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    # what a platform or a copying program lays beside the data
    found = [path for path in found if not path.name.startswith((".", "_"))]
    if not found:
        raise WrongData(f"{folder}: found no file, allowed are files that end with {' or '.join(SUFFIXES)}")
    stems: dict[Path, Path] = {}
    for path in found:
        if path.suffix not in SUFFIXES:
            raise WrongData(f"{path}: found {path.suffix or 'no ending'}, allowed are {' and '.join(SUFFIXES)}")
        twin = stems.setdefault(path.with_suffix(""), path)
        if twin != path:
            raise WrongData(
                f"{path}: found beside {twin.name}, allowed is one of the two: their rows would count twice"
            )
    return found


def digest(folders: list[Path], *more: date) -> str:
    """`sha256:<hex>` over the files of channels, by name and content, and the days that bound what is used of them."""
    whole = hashlib.sha256("/".join(str(day) for day in more).encode())
    for folder in folders:
        for path in files(folder):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            whole.update(f"\n{folder.name}/{path.relative_to(folder).as_posix()} {content}".encode())
    return f"sha256:{whole.hexdigest()}"


def read(folder: Path, table: Table) -> pl.DataFrame:
    """The rows of all files of a channel; columns in the table's order, without those that nobody reads.

    Raises WrongData when a file is not what the table says.
    """
    wanted = [column for column in table.columns if column.needed]
    parts = [_read_file(path, table).select(column.name for column in wanted) for path in files(folder)]
    whole = pl.concat(parts)
    if table.key and whole.select(pl.struct(table.key).is_duplicated().any()).item():
        row = whole.filter(pl.struct(table.key).is_duplicated()).row(0, named=True)
        found = ", ".join(f"{name} {row[name]}" for name in table.key)
        raise WrongData(f"{folder}: found two rows of {found}, allowed is one")
    return whole


def _read_file(path: Path, table: Table) -> pl.DataFrame:
    return _read_csv(path, table) if path.suffix == ".csv" else _read_parquet(path, table)


def _read_csv(path: Path, table: Table) -> pl.DataFrame:
    data = path.read_bytes()
    header, rows = _check_lines(path, data)
    columns = _columns(path, "line 1: ", header, table)
    raw = pl.read_csv(io.BytesIO(data), infer_schema=False, null_values=list(MISSING), truncate_ragged_lines=False)
    if raw.height != rows:
        raise WrongData(
            f"{path}: found {rows:,} lines of data, of which {raw.height:,} can be told apart; check quotes"
        )
    for column in columns:
        raw = raw.with_columns(_parsed(path, data, raw[column.name], column))
    return raw


def _check_lines(path: Path, data: bytes) -> tuple[list[str], int]:
    """The header and the number of rows. Raises WrongData where a line is broken, cut off, too long or too short."""
    if not data.strip():
        raise WrongData(f"{path}: found an empty file, allowed is a header and a line for each row")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise WrongData(f"{path}, line {line}: found a byte {data[error.start]:#04x}, allowed is UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows, begins = -1, 1
    header: list[str] = []
    try:
        for fields in reader:
            rows += 1
            header = header or fields
            if len(fields) != len(header):
                raise WrongData(
                    f"{path}, line {begins}: found {len(fields)} fields, allowed are {len(header)}, as in line 1"
                )
            begins = reader.line_num + 1
    except csv.Error as error:
        raise WrongData(f"{path}, line {begins}: found {error}, allowed is CSV with quotes in pairs") from None
    if not data.endswith(b"\n"):
        raise WrongData(
            f"{path}, line {reader.line_num}: found no end of the line, allowed is a whole file: this one is cut off"
        )
    return header, rows


def _columns(path: Path, where: str, names: list[str], table: Table) -> list[Column]:
    """The columns of a file that are read. Raises WrongData when one is unknown, doubled or missing."""
    known = {column.name: column for column in table.columns}
    for name in names:
        if name not in known:
            raise WrongData(f"{path}, {where}found column {_short(name)}, allowed are {', '.join(known)}")
        if names.count(name) > 1:
            raise WrongData(f"{path}, {where}found column {name} {names.count(name)} times, allowed is once")
    needed = [column for column in table.columns if column.needed]
    for column in needed:
        if column.name not in names:
            raise WrongData(
                f"{path}, {where}found no column {column.name}, needed are {', '.join(c.name for c in needed)}"
            )
    return needed


def _parsed(path: Path, data: bytes, texts: pl.Series, column: Column) -> pl.Series:
    """Texts as the column's type. Raises WrongData at the first that cannot be."""
    values = _converted(texts, column)
    place = _first_wrong(values, texts.is_not_null(), column)
    if place is None:
        return values
    found = _short(texts[place]) if texts[place] is not None else "nothing"
    where = f"{path}, line {_line_of(data, place)}: {column.name}"
    raise WrongData(f"{where}: found {found}, allowed is {column.allowed}")


def _converted(texts: pl.Series, column: Column) -> pl.Series:
    match column.kind:
        case "text":
            return texts
        case "time":
            return texts.str.to_datetime(TIME_FORMAT, strict=False, time_unit="us")
        case "day":
            return texts.str.to_date(DAY_FORMAT, strict=False)
        case "true or false":
            return texts.replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean)
        case _:
            return texts.cast(TYPES[column.kind], strict=False)


def _first_wrong(values: pl.Series, given: pl.Series, column: Column) -> int | None:
    """Position of the first value that may not stand in the column; None when all may."""
    wrong = given & values.is_null()
    if not column.nullable:
        wrong |= values.is_null()
    if column.kind == "number":
        wrong |= values.is_finite().not_().fill_null(False)
    if column.minimum is not None:
        wrong |= values.is_between(column.minimum, column.maximum).not_().fill_null(False)
    return wrong.arg_max() if wrong.any() else None


def _line_of(data: bytes, row: int) -> int:
    """The line on which a row begins; a row may have several lines."""
    reader = csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True)
    for _ in range(row + 1):
        next(reader)
    return reader.line_num + 1


def _read_parquet(path: Path, table: Table) -> pl.DataFrame:
    try:
        whole = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise WrongData(f"{path}: found {first[:200]}, allowed is a whole Parquet file") from None
    for column in _columns(path, "", whole.columns, table):
        given = whole[column.name]
        # what libraries without nulls write for missing
        given = given.fill_nan(None) if given.dtype.is_float() else given
        values = _typed(path, given, column)
        place = _first_wrong(values, given.is_not_null(), column)
        if place is not None:
            found = "nothing" if given[place] is None else _short(given[place])
            raise WrongData(f"{path}, row {place + 1}: {column.name}: found {found}, allowed is {column.allowed}")
        whole = whole.with_columns(values)
    return whole


def _typed(path: Path, given: pl.Series, column: Column) -> pl.Series:
    """The values as the column's type, null where one does not fit. Raises WrongData for another type."""
    wanted = TYPES[column.kind]
    fits = (
        (given.dtype.is_numeric() and wanted.is_numeric()) or given.dtype == wanted or given.null_count() == len(given)
    )
    if isinstance(given.dtype, pl.Datetime) and wanted == pl.Datetime:
        utc = given if given.dtype.time_zone is None else given.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return utc.cast(wanted)
    # a column without any value has whatever type its writer thought of
    if not fits and given.null_count() < len(given):
        raise WrongData(f"{path}: {column.name}: found type {given.dtype}, allowed is {column.allowed}")
    values = given.cast(wanted, strict=False)
    if given.dtype.is_float() and wanted.is_integer():
        # what those libraries make of whole numbers with gaps; a fraction is not cut off
        values = pl.select(pl.when(values == given).then(values)).to_series().rename(column.name)
    return values


def _short(value: object) -> str:
    text = json.dumps(str(value), ensure_ascii=True)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
