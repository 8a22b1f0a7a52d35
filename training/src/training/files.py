"""The files of a model, and writing that leaves a file whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

MODEL_FILE, TRAINED_FILE, ARCHIVE = "model.txt", "training.json", "model.tar.gz"


def write_atomically(path: Path, data: bytes) -> None:
    """Replace `path` so that a reader sees the old bytes or the new ones, also after a power cut."""
    try:
        write_through(beside(path), data)
        beside(path).replace(path)
    finally:
        beside(path).unlink(missing_ok=True)


def beside(path: Path) -> Path:
    """Where a file is written before it takes its place."""
    return path.with_name(f".{path.name}.{os.getpid()}")


def write_through(path: Path, data: bytes) -> None:
    """Write a file down to the disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
