"""A task's log: written by the task itself, kept within bounds and read from its end by us."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

MAX_BYTES = 10 * 1024 * 1024
KEEP = 3
_MAX_TAIL_BYTES = 1024 * 1024
_CHUNK = 1024 * 1024


def open_for_append(path: Path) -> int:
    """A descriptor that a task writes to. Appending is what lets `rotate` cut the file under a live writer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def rotate(path: Path, max_bytes: int = MAX_BYTES, keep: int = KEEP) -> bool:
    """Once the file is larger than `max_bytes`, move its content to `NAME.1` (older: `.2`, …) and empty it.

    Of a larger file only the newest `max_bytes` are kept, from the start of a line. What a writer adds between the
    last read and the cut is lost, even half a line: so no task has to open its log again.
    """
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return False
    if size <= max_bytes:
        return False
    fresh = path.with_name(f"{path.name}.new")
    try:
        _cut(path, fresh, size, max_bytes, keep)
    finally:
        # A copy that a full disk cut short would keep the disk full.
        fresh.unlink(missing_ok=True)
    return True


def _cut(path: Path, fresh: Path, size: int, max_bytes: int, keep: int) -> None:
    with path.open("r+b") as source, fresh.open("w+b") as copy:
        if size > 2 * max_bytes:
            source.seek(size - max_bytes)
            source.readline(_CHUNK)
        _append(source, copy)
        for number in range(keep, 1, -1):
            older = path.with_name(f"{path.name}.{number - 1}")
            if older.exists():
                older.replace(path.with_name(f"{path.name}.{number}"))
        fresh.replace(path.with_name(f"{path.name}.1"))
        _append(source, copy)
        source.truncate(0)
        if copy.tell() and not _ends_a_line(copy):
            copy.write(b"\n")


def tail(path: Path, lines: int, keep: int = KEEP, most_bytes: int = _MAX_TAIL_BYTES) -> list[str]:
    """The last `lines` lines, oldest first, across rotated files; at most `most_bytes` (1 MiB) are read."""
    found = b""
    for number in range(keep + 1):
        part = path if number == 0 else path.with_name(f"{path.name}.{number}")
        if found.count(b"\n") > lines or len(found) >= most_bytes:
            break
        found = _end_of(part, most_bytes - len(found)) + found
    if not found or lines <= 0:
        return []
    return found.decode("utf-8", "replace").removesuffix("\n").split("\n")[-lines:]


def _append(source: BinaryIO, copy: BinaryIO) -> None:
    while chunk := source.read(_CHUNK):
        copy.write(chunk)


def _ends_a_line(copy: BinaryIO) -> bool:
    copy.seek(-1, os.SEEK_END)
    return copy.read(1) == b"\n"


def _end_of(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - limit))
            return file.read(limit)
    except FileNotFoundError:
        return b""
