"""Rows of CSV files with a header, as batches of columns."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from model_monitoring.captured import BATCH, Columns, value_of
from model_monitoring.problems import Problem


def batches(source: Path) -> Iterator[tuple[Columns, int]]:
    """The rows of the file, or of all `*.csv` in the folder. Raises Problem that names file and line."""
    for path in [source] if source.is_file() else sorted(source.rglob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            try:
                yield from _of_file(file, path)
            except (csv.Error, UnicodeDecodeError) as error:
                raise Problem(f"{path.name}: {error}") from None


def _of_file(file: Iterator[str], path: Path) -> Iterator[tuple[Columns, int]]:
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
            yield _columns(header, lines), len(lines)
            lines = []
    if lines:
        yield _columns(header, lines), len(lines)


def _columns(header: list[str], lines: list[list[str]]) -> Columns:
    return {
        name: [value_of(text) for text in values] for name, values in zip(header, zip(*lines, strict=True), strict=True)
    }
