"""Whose process it is: of which user, of which app's Shipway, judged by what every user can see."""

from __future__ import annotations

import contextlib
import pwd
from collections.abc import Iterator
from pathlib import Path

import psutil

_STATE = ".shipway"


def user_name(user_id: int) -> str:
    """The user's name in the system's user database, not the environment's; the number where there is none."""
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)


def app_of(process: psutil.Process) -> Path | None:
    """The folder of the app whose router, daemon or task the process is; None for everything else."""
    try:
        words = process.cmdline()
    except psutil.Error:
        return None
    if "shipway.server" in words and "--root" in words[:-1]:
        return Path(words[words.index("--root") + 1])
    places = list(words)
    with contextlib.suppress(psutil.Error, OSError):  # another user's working folder is hidden
        places.append(process.cwd())
    return next((root for place in places if (root := _root_above(place)) is not None), None)


def apps_running() -> Iterator[Path]:
    """The folders of all apps whose Shipway runs something here, other users' too, each once."""
    seen: set[Path] = set()
    for process in psutil.process_iter():
        root = app_of(process)
        if root is not None and root not in seen:
            seen.add(root)
            yield root


def _root_above(place: str) -> Path | None:
    """The folder that holds the `.shipway` in which the path lies, if it is one that only routers and tasks name."""
    parts = Path(place).parts
    if not place.startswith("/") or _STATE not in parts:
        return None
    index = parts.index(_STATE)
    return Path(*parts[:index]) if parts[index + 1 : index + 2] in (("router",), ("artifacts",)) else None
