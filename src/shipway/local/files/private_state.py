"""The state belongs to one user: no other user reads databases, captured requests, logs, parameters or models."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_SHARED = "environments"
"""Packages from uv's cache: their files may be links into it, and they are public anyway."""


def close_to_others(folder: Path) -> None:
    """Remove the permissions that group and others have in the state, by an earlier Shipway, a service or an umask."""
    _close(folder)
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            _close(Path(place, name))
        if Path(place) == folder and _SHARED in folders:
            folders.remove(_SHARED)


def _close(path: Path) -> None:
    # Files that vanish meanwhile need nothing; files of another user lie in a folder that only we can enter.
    with contextlib.suppress(FileNotFoundError, PermissionError):
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode) and mode & _OTHERS:
            path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
