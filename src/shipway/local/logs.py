"""The lines that tasks, builds and the daemon wrote, newest last. Never more than was asked for is kept in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from shipway.core.logs.asked import Asked
from shipway.core.logs.log_line import understood
from shipway.core.ports.state import Logs
from shipway.core.views.releases import TaskLine
from shipway.local.files import log_file
from shipway.local.places import Places
from shipway.local.tasks.task_specs import owner_of

_MOST_LINES = 10_000
_MOST_BYTES = 8 << 20
_BEFORE = 200
"""Lines before those that are asked for, where a line without a time may find one."""
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class LocalLogs(Logs):
    """Log files, kept also after a task is gone. A file's name says whose it is."""

    places: Places

    def owners(self) -> list[Mapping[str, str]]:
        return [owner for owner, _ in self._task_logs()]

    def tasks(self, asked: Asked, owner: Mapping[str, str], checks: Collection[str]) -> list[TaskLine]:
        found: list[tuple[float, TaskLine]] = []
        for whose, path in self._task_logs():
            if owner.items() <= whose.items():
                # Each log is in order; a line without a time belongs to the one before it.
                found += [(at, TaskLine(**whose, line=line)) for at, line in _read(path, asked, checks)]
                found = _last(sorted(found, key=lambda entry: entry[0]), asked)
        return [line for _, line in found]

    def build(self, commit: str, asked: Asked) -> list[str]:
        logs = sorted((self.places.state / "builds").glob(f"{commit[:7]}-*.log"))
        return [line for path in logs for _, line in _read(path, asked, ())]

    def daemon(self, asked: Asked) -> list[str]:
        """The daemon's own last lines."""
        return [line for _, line in _read(self.places.daemon_log, asked, ())]

    def _task_logs(self) -> Iterator[tuple[dict[str, str], Path]]:
        for path in sorted((self.places.state / "logs").glob("*/*.log")):
            yield owner_of(path.stem, path.parent.name), path


def _read(path: Path, asked: Asked, checks: Collection[str]) -> list[tuple[float, str]]:
    """The last lines of a log that are wanted, each with its Unix time or that of the line before it."""
    texts = log_file.tail(
        path,
        _MOST_LINES if asked.narrowed else asked.lines + _BEFORE,
        most_bytes=_MOST_BYTES if asked.narrowed else 1 << 20,
    )
    said = [understood(text) for text in texts]
    # A line without a time belongs to the one before it, and the first ones to what follows.
    at = next((line.at for line in said if line.at is not None), None) or _written(path)
    found: list[tuple[float, str]] = []
    for text, line in zip(texts, said, strict=True):
        at = line.at if line.at is not None else at
        if at >= asked.since and asked.takes(text, line, checks):
            found.append((at, text))
    return _last(found, asked)


def _last(found: list[_T], asked: Asked) -> list[_T]:
    return found[-asked.lines :] if asked.lines else []


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
