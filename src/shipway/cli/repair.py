"""Brings a broken state back to work, by steps that are safe: nothing is deleted that could be missed.

First everything is looked at, then the plan is carried out: what is damaged is moved aside, a daemon that has stopped
is ended, and the next one finds again what serves.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from shipway.cli import daemon
from shipway.cli.client import Client, NotRunning, Unreachable
from shipway.cli.daemon_lock import holder
from shipway.core.errors import ShipwayError
from shipway.core.places import Places
from shipway.local.router import state as router_state
from shipway.local.state import serving_copy
from shipway.local.state.store import is_damaged
from shipway.local.tasks.task_table import read_record

_SOCKET_PATIENCE = 8.0
"""A daemon that is about to start, or makes its socket anew, is waited for so long."""
_END_TIMEOUT = 10.0
_PAUSE = 0.05
_FOLDERS = ("artifacts", "logs", "router", "tasks")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was found, and what is done about it."""

    kind: Literal["end", "aside", "remove", "make", "start"]
    found: str
    does: str
    path: Path | None = None
    to: Path | None = None
    pid: int = 0


def plan(places: Places) -> list[Step]:
    """What has to be done, in order. Looks only."""
    pid, answers = _daemon(places)
    damaged = list(_damaged(places, time.strftime("%Y%m%d-%H%M%S")))
    ends = pid is not None and (not answers or bool(damaged))
    steps = []
    if ends:
        found = "answers nothing" if not answers else "works on damaged files"
        steps.append(Step("end", f"the daemon (process {pid or 'unknown'}) {found}", "ended", pid=pid or 0))
    steps += damaged
    if pid is None and places.socket.exists():
        steps.append(Step("remove", f"{places.socket} is left of a daemon that has ended", "removed", places.socket))
    if places.state.exists():
        missing = [places.state / name for name in _FOLDERS if not (places.state / name).exists()]
        steps += [
            Step("make", f"{path} is missing", "made", path) for path in missing if (places.state / "state.db").exists()
        ]
    if ends or (pid is None and (steps or daemon.is_left_serving(places))):
        steps.append(Step("start", "the control plane does not run" if pid is None else "it is needed", "started"))
    return steps


def carry_out(places: Places, steps: Sequence[Step]) -> Iterator[Step]:
    """Do them; each is answered once it is done. Raises ShipwayError at the first that fails."""
    for step in steps:
        match step.kind:
            case "end":
                _end(places, step.pid)
            case "aside" if step.path is not None and step.to is not None:
                step.path.rename(step.to)
            case "remove" if step.path is not None:
                step.path.unlink(missing_ok=True)
            case "make" if step.path is not None:
                step.path.mkdir(mode=0o700, exist_ok=True)
            case "start":
                daemon.start(places)
        yield step


def _daemon(places: Places) -> tuple[int | None, bool]:
    """The daemon's process, if there is one, and whether it answers."""
    deadline = time.monotonic() + _SOCKET_PATIENCE
    while True:
        try:
            Client(places.socket, places.daemon_lock).get("alive")
        except NotRunning:
            return holder(places.daemon_lock), False
        except Unreachable:
            if places.socket.exists() or time.monotonic() > deadline:
                return holder(places.daemon_lock), False
            time.sleep(_PAUSE)
        except ShipwayError:
            return holder(places.daemon_lock), True
        else:
            return holder(places.daemon_lock), True


def _damaged(places: Places, stamp: str) -> Iterator[Step]:
    state = places.state
    if is_damaged(state / "state.db"):
        # Its journal goes with it: SQLite would play it into the new one.
        for name in ("state.db", "state.db-wal", "state.db-shm"):
            if (state / name).exists():
                yield _put_aside(state / name, stamp, "is damaged" if name == "state.db" else "belongs to it")
    checks: list[tuple[Path, Callable[[Path], object]]]
    checks = [(state / "serving.json", serving_copy.check), (state / "router" / "state.json", router_state.load)]
    checks += [(file, read_record) for file in sorted((state / "tasks").glob("[!.]*.json"))]
    for path, check in checks:
        try:
            check(path)
        except ShipwayError:
            yield _put_aside(path, stamp, "is damaged")


def _put_aside(path: Path, stamp: str, found: str) -> Step:
    to = path.with_name(f"{path.name}.damaged-{stamp}")
    return Step("aside", f"{path} {found}", f"kept as {to.name}", path, to)


def _end(places: Places, pid: int) -> None:
    """End the daemon's process: asked first, then forced, for one that is stopped hears nothing."""
    for number in (signal.SIGKILL,) if _is_stopped(pid) else (signal.SIGTERM, signal.SIGKILL):
        if _is_daemon(pid):
            os.kill(pid, number)
        deadline = time.monotonic() + (_END_TIMEOUT if number == signal.SIGKILL else _END_TIMEOUT / 4)
        while time.monotonic() < deadline:
            if holder(places.daemon_lock) is None:
                return
            time.sleep(_PAUSE)
    raise ShipwayError(
        f"the daemon (process {pid or 'unknown'}) does not end",
        fix=f"look what it is with `ps -fp {pid}`, end it, and say shipway repair again" if pid else "shipway doctor",
    )


def _is_stopped(pid: int) -> bool:
    try:
        return pid > 0 and psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except psutil.Error:
        return False


def _is_daemon(pid: int) -> bool:
    try:
        return pid > 0 and "shipway.server" in psutil.Process(pid).cmdline()
    except psutil.Error:
        return False
