"""Where a processing job finds its inputs and leaves its outputs, and how rows and reports are written there."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import polars as pl

from training.channels import read
from training.container import write_to_the_end
from training.files import write_atomically
from training.tables import ROWS

ROWS_FILE = "rows.parquet"


def given(base: Path, name: str) -> Path:
    """The folder of a processing job's input."""
    return base / "processing" / "input" / name


def left(base: Path, name: str) -> Path:
    """The folder of a processing job's output, made if the platform has not. Raises OSError when not writable."""
    folder = base / "processing" / "output" / name
    folder.mkdir(parents=True, exist_ok=True)
    # told before the work, not after it
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"{folder} cannot be written by user {os.getuid()}")
    return folder


def read_rows(folder: Path) -> pl.DataFrame:
    """Prepared rows of a channel. Raises WrongData."""
    return read(folder, ROWS)


def no_options(options: list[str], step: str) -> None:
    """Raises ValueError when a step got options that takes none."""
    if options:
        raise ValueError(f"{step}: found {' '.join(options)[:80]!r}, allowed is no option")


def write_reports(files: dict[Path, Any]) -> None:
    """Write values as JSON; a stop no longer counts from here on."""
    write_to_the_end()
    for path, content in files.items():
        write_atomically(path, json.dumps(content, indent=1, allow_nan=False).encode() + b"\n")


def rows_file(rows: pl.DataFrame) -> bytes:
    """Rows as Parquet: equal bytes for equal rows, on the same build of polars."""
    file = io.BytesIO()
    rows.write_parquet(file, compression="zstd", statistics=False)
    return file.getvalue()
