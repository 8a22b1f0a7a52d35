"""Where a command was called: the app's root folder, and a client of the daemon that looks after it."""

from __future__ import annotations

import os
from pathlib import Path

from shipway.cli.client import Client
from shipway.cli.ownership import require_own
from shipway.core.errors import UsageError
from shipway.core.places import DESCRIPTION, Places, places_of


def find_root(start: Path) -> Path:
    """The nearest folder at or above `start` that holds shipway.yaml. Raises UsageError when there is none."""
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / DESCRIPTION).is_file():
            return folder
    raise UsageError(f"no {DESCRIPTION} in {start} nor above it", fix="cd into the folder of an app that has one")


def places() -> Places:
    """The places of the app that the current folder belongs to."""
    try:
        current = Path.cwd()
    except FileNotFoundError as error:
        raise UsageError("the current folder does not exist any more", fix="cd into the app's folder") from error
    return places_of(find_root(current), os.getuid())


def client() -> Client:
    """A client of the daemon of the app here; nothing is sent yet."""
    return client_of(places())


def client_of(found: Places) -> Client:
    """A client of the daemon of an app. Raises Refused where somebody else runs it: only they can talk to it."""
    require_own(found)
    return Client(found.socket, found.daemon_lock)
