"""What a demo left that could not clean up, as after `kill -9`: its folder, and what still runs in it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

PREFIX = "shipway-demo-"
_PLAYER = "player.json"


@dataclass(frozen=True, slots=True)
class Leftover:
    """A folder whose player is gone. `running` counts the processes in it; `kept` says that `--keep` left it so."""

    folder: Path
    running: int
    kept: bool


def sign(folder: Path, *, kept: bool = False) -> None:
    """Write down whose folder this is: a later demo tells by it whether the player still lives."""
    player = {"pid": os.getpid(), "started": psutil.Process().create_time(), "kept": kept}
    (folder / _PLAYER).write_text(json.dumps(player))


def leftovers() -> Iterator[Leftover]:
    """The folders of this user whose player has ended."""
    for folder in sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")):
        try:
            if folder.lstat().st_uid != os.getuid():
                continue
            player = json.loads((folder / _PLAYER).read_text())
        except (OSError, ValueError):
            # Being made at this moment, or not ours.
            continue
        if not _lives(player):
            yield Leftover(folder.resolve(), len(processes_in(folder.resolve())), bool(player.get("kept")))


def processes_in(folder: Path) -> list[psutil.Process]:
    """Every process that works in a folder, by its own folder or by a path in its command; this one excepted."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        about = [*(process.info["cmdline"] or []), process.info["cwd"] or ""]
        if process.pid != os.getpid() and any(_names(word, folder) for word in about):
            found.append(process)
    return found


def _names(word: str, folder: Path) -> bool:
    start = word.find(str(folder))
    return start >= 0 and word[start + len(str(folder)) :][:1] in ("", os.sep)


def _lives(player: dict[str, object]) -> bool:
    pid = player.get("pid")
    if not isinstance(pid, int):
        return False
    try:
        return bool(psutil.Process(pid).create_time() == player.get("started"))
    except psutil.Error:
        return False
