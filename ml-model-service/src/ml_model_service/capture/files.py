"""Captured lines to files that appear whole: written under a hidden name, renamed when closed."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path

log = logging.getLogger(__name__)
MAX_BYTES = 8 << 20
MAX_AGE = 60.0
OPEN = ".open"
_ADOPT_EVERY = 60.0


class _File:
    """A file that is being written, locked for as long as its process lives."""

    def __init__(self, path: Path, target: Path, opened: float) -> None:
        self.path, self.target, self.opened = path, target, opened
        self.size, self.torn = 0, False
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise

    def write(self, lines: bytes) -> None:
        """All of the lines or none. Raises OSError; `torn` then says that even their beginning could not be removed."""
        try:
            written = 0
            while written < len(lines):
                written += os.write(self._descriptor, memoryview(lines)[written:])
        except OSError:
            self.torn = True
            os.ftruncate(self._descriptor, self.size)
            self.torn = False
            raise
        self.size += len(lines)

    def close(self) -> None:
        """Give the file its name. Raises OSError; it then stays hidden, unlocked, for `adopt`."""
        try:
            if self.size == 0:
                self.path.unlink()
            elif not self.torn:
                os.fsync(self._descriptor)
                _publish(self.path, self.target)
        finally:
            os.close(self._descriptor)


class Files:
    """`<folder>/<variant>/yyyy/mm/dd/hh/<minute>-<second>-<random>.jsonl`; one open file for each variant."""

    held = 0

    def __init__(self, folder: Path, max_age: float = MAX_AGE) -> None:
        """A file is closed when it is `max_age` seconds old."""
        self._folder = folder
        self._max_age = max_age
        self._files: dict[str, _File] = {}
        self._adopted_at = float("-inf")
        self.stored = self.lost = 0

    def write(self, variant: str, moment: float, lines: bytes, count: int) -> None:
        """Append the lines of `count` requests to the variant's file of that hour (UTC).

        Raises OSError, having written none of them.
        """
        try:
            self._write(variant, moment, lines)
        except OSError:
            self.lost += count
            raise
        self.stored += count

    def tend(self, now: float) -> None:
        """Close what is old enough, and look for what killed processes have left. Raises OSError."""
        self.rotate(now)
        if not 0 <= now - self._adopted_at < _ADOPT_EVERY:
            self._adopted_at = now
            self.adopt()

    def _write(self, variant: str, moment: float, lines: bytes) -> None:
        file = self._files.get(variant)
        if file is not None and (file.size >= MAX_BYTES or moment // 3600 != file.opened // 3600):
            self._close(variant)
            file = None
        if file is None:
            file = self._files[variant] = self._open(variant, moment)
        try:
            file.write(lines)
        except OSError:
            if file.torn:
                self._close(variant)
            raise

    def rotate(self, now: float) -> None:
        """Close what is old enough. Raises OSError."""
        for variant, file in list(self._files.items()):
            # with a clock that was set back nobody knows
            if not 0 <= now - file.opened < self._max_age:
                self._close(variant)

    def close(self) -> None:
        """Close all. Raises OSError."""
        for variant in list(self._files):
            self._close(variant)

    def adopt(self) -> None:
        """Name the files that processes left behind when they were killed, without a torn last line. Raises OSError."""
        for path in sorted((self._folder / OPEN).glob("*@*@*.part")):
            # its process lives, or has just named it
            with contextlib.suppress(BlockingIOError, FileNotFoundError), path.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                whole = file.read().rfind(b"\n") + 1
                if not whole and time.time() - path.stat().st_mtime < MAX_AGE:
                    # maybe just made, by a process that is about to lock it
                    continue
                file.truncate(whole)
                os.fsync(file.fileno())
                _publish(path, self._target(path.stem)) if whole else path.unlink()
                log.info("adopted captured data that a killed process left: %s, %d bytes", path.name, whole)

    def _open(self, variant: str, moment: float) -> _File:
        target = name_in_hour(variant, moment, secrets.token_hex(8))
        # as one name, from which `adopt` makes the same path again
        *hour, name = target.split("/")[1:]
        path = self._folder / OPEN / f"{variant}@{'-'.join(hour)}@{name.removesuffix('.jsonl')}.part"
        path.parent.mkdir(parents=True, exist_ok=True)
        return _File(path, self._folder / target, moment)

    def _target(self, stem: str) -> Path:
        variant, hour, name = stem.rsplit("@", 2)
        return self._folder.joinpath(variant, *hour.split("-"), f"{name}.jsonl")

    def _close(self, variant: str) -> None:
        self._files.pop(variant).close()


def name_in_hour(variant: str, moment: float, random: str) -> str:
    """Where lines of that moment (Unix time) belong below an endpoint.

    >>> name_in_hour("v1-0", 1771090549.25, "00ff")
    'v1-0/2026/02/14/17/35-49-00ff.jsonl'
    """
    return f"{variant}/{datetime.fromtimestamp(moment, UTC):%Y/%m/%d/%H/%M-%S}-{random}.jsonl"


def _publish(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    path.rename(target)
