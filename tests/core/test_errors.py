"""The system's errors, in words that a person can act on."""

from __future__ import annotations

import errno
import os

import pytest

from shipway.core.errors import explained


@pytest.mark.parametrize(
    ("number", "what", "fix"),
    [
        (errno.ENOSPC, "the disk is full (No space left on device: /app/x)", "make room"),
        (errno.EMFILE, "Shipway has no file descriptors left (Too many open files: /app/x)", "ulimit -n"),
        (errno.EACCES, "PermissionError: Permission denied: /app/x", "shipway logs --daemon"),
    ],
)
def test_what_the_machine_lacks_is_told_with_what_to_do(number: int, what: str, fix: str) -> None:
    """A full disk and missing descriptors by name; what else it is points to the daemon's log."""
    error = explained(OSError(number, os.strerror(number), "/app/x"))
    assert (what, True) == (error.what, fix in error.fix)
