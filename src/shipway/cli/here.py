"""Where a command was called: the app's root folder, its target, and a client of its desk."""

from __future__ import annotations

from pathlib import Path

import click

from shipway import wiring
from shipway.cli.client.over_socket import SocketClient
from shipway.cli.client.protocol import Client
from shipway.core.daemon.outside import Daemon
from shipway.core.description import DESCRIPTION
from shipway.core.errors import UsageError


def find_root(start: Path) -> Path:
    """The nearest folder at or above `start` that holds shipway.yaml. Raises UsageError when there is none."""
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / DESCRIPTION).is_file():
            return folder
    raise UsageError(f"no {DESCRIPTION} in {start} nor above it", fix="cd into the folder of an app that has one")


def root() -> Path:
    """The root of the app that the current folder belongs to."""
    try:
        current = Path.cwd()
    except FileNotFoundError as error:
        raise UsageError("the current folder does not exist any more", fix="cd into the app's folder") from error
    return find_root(current)


def target() -> wiring.Wiring:
    """The target of the app here. Raises UsageError for an unknown one."""
    context = click.get_current_context(silent=True)
    return wiring.target(root(), context.find_root().params.get("target") if context is not None else None)


def daemon() -> Daemon:
    """The daemon of the app here, whether or not it runs. Raises UsageError where the target has none."""
    found = target().daemon()
    if found is None:
        raise UsageError("this target has no daemon: there is nothing to start or to stop")
    return found


def client() -> Client:
    """A client of the desk of the app here; nothing is asked yet."""
    chosen = target()
    found = chosen.daemon()
    if found is not None:
        return client_of(found)
    from shipway.cli.client.in_process import InProcessClient  # a desk of its own: the rules and all that they need
    from shipway.server.verbs.table import desk_verbs

    desk, who = chosen.desk()
    return InProcessClient(desk_verbs(desk), who)


def client_of(daemon: Daemon) -> Client:
    """A client of a daemon."""
    return SocketClient(daemon.socket, daemon.process)
