"""A lock between processes that ends with its last holder, even after `kill -9`."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shipway.core.errors import ShipwayError

_PAUSE = 0.02


@contextmanager
def locked(path: Path, timeout: float, doing: str) -> Iterator[int]:
    """Hold the lock file at `path` and answer its descriptor.

    A child that inherits the descriptor keeps the lock until it ends, so work that outlives a killed parent still
    holds it. Raises ShipwayError when another process holds it for `timeout` seconds; `doing` says what waits.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + timeout
        while not take(descriptor):
            if time.monotonic() > deadline:
                raise ShipwayError(
                    f"{doing}: another process has held {path} for {timeout:.0f} s",
                    fix=f"try again: it may be a long build. `fuser {path}` shows who holds it",
                )
            time.sleep(_PAUSE)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def locked_if_free(path: Path) -> Iterator[bool]:
    """Hold the lock file at `path` if no other process does; says whether it is held."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield take(descriptor)
    finally:
        os.close(descriptor)


def take(descriptor: int) -> bool:
    """Take the lock of an open lock file unless another process holds it; says whether it is held."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
