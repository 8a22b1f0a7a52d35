"""The daemon's lock, seen from outside: a daemon holds it until its process has ended, longer than it listens."""

from __future__ import annotations

import fcntl
from pathlib import Path


def holder(path: Path) -> int | None:
    """The process id of the daemon that holds the lock; None when nobody does, 0 when it has not said who it is."""
    try:
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                said = file.read(20).strip()
                return int(said) if said.isdecimal() else 0
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        pass
    return None
