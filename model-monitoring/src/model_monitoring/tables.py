"""Rows of CSV files with a header and of Parquet files, as batches that add themselves to a summary."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from model_monitoring.bodies import value_of
from model_monitoring.captured import BATCH, Columns
from model_monitoring.lines import seconds
from model_monitoring.problems import Problem
from model_monitoring.summary import Summary

Vector = np.ndarray[Any, np.dtype[np.float64]]
Places = np.ndarray[Any, np.dtype[np.intp]]


class Batch(Protocol):
    """Some rows of a table."""

    def __len__(self) -> int: ...

    @property
    def names(self) -> Sequence[str]:
        """The columns' names."""

    def add_to(self, summary: Summary, names: dict[str, str]) -> None:
        """Add the columns that `names` names to the summary, by the names that it gives them."""

    def values(self, name: str) -> Sequence[Any]:
        """A column's values: numbers, texts, times, None."""

    def take(self, places: Places) -> Batch:
        """The rows at these places."""


@dataclass(frozen=True)
class Listed:
    """Columns as lists."""

    columns: Columns
    count: int

    def __len__(self) -> int:
        return self.count

    @property
    def names(self) -> Sequence[str]:
        return [*self.columns]

    def add_to(self, summary: Summary, names: dict[str, str]) -> None:
        summary.add({named: self.columns[name] for name, named in names.items()}, self.count)

    def values(self, name: str) -> Sequence[Any]:
        return self.columns[name]

    def take(self, places: Places) -> Listed:
        return Listed({name: [values[place] for place in places] for name, values in self.columns.items()}, len(places))


def batches(source: Path, form: str) -> Iterator[Batch]:
    """The rows of the file, or of all files of that form in the folder. Raises Problem that names file and line."""
    for path in [source] if source.is_file() else sorted(source.rglob(f"*.{form}")):
        if form == "parquet":
            # Half the program's start, for those alone who have such files.
            from model_monitoring.parquet import of_file

            yield from of_file(path)
        else:
            yield from _csv(path)


def _csv(path: Path) -> Iterator[Listed]:
    with path.open(newline="", encoding="utf-8") as file:
        try:
            yield from _of_file(file, path)
        except (csv.Error, UnicodeDecodeError) as error:
            raise Problem(f"{path.name}: {error}") from None


def _of_file(file: Iterator[str], path: Path) -> Iterator[Listed]:
    reader = csv.reader(file, strict=True)
    header = next(reader, [])
    if len(set(header)) != len(header) or not header or "" in header:
        raise Problem(f"{path.name}: line 1: a header names each column once; found {header[:20]}")
    lines: list[list[str]] = []
    for line in reader:
        if len(line) != len(header):
            raise Problem(f"{path.name}: line {reader.line_num}: {len(line)} values; the header has {len(header)}")
        lines.append(line)
        if len(lines) == BATCH:
            yield _columns(header, lines)
            lines = []
    if lines:
        yield _columns(header, lines)


def _columns(header: list[str], lines: list[list[str]]) -> Listed:
    columns = zip(header, zip(*lines, strict=True), strict=True)
    return Listed({name: [value_of(text) for text in values] for name, values in columns}, len(lines))


def moments(values: Sequence[Any], name: str) -> Vector:
    """Times in Unix seconds: numbers are Unix time already, texts ISO 8601, of UTC unless they say otherwise.

    NaN where there is none. Raises Problem for what is no time; `name` is the column's.
    """
    try:
        return np.array([_moment(value) for value in values], dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        wrong = next(value for value in values if not _is_moment(value))
        raise Problem(f"column {name!r}: {wrong!r} is no time such as 2026-11-01T00:00:00Z, and no Unix time") from None


def _moment(value: Any) -> float:
    if value is None:
        return math.nan
    if isinstance(value, str):
        return seconds(value)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    return float(value)


def _is_moment(value: Any) -> bool:
    try:
        _moment(value)
    except (ValueError, TypeError, OverflowError):
        return False
    return True
