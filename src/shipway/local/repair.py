"""Brings a broken state back to work, by steps that are safe: nothing is deleted that could be missed.

First everything is looked at, then the plan is carried out: what is damaged is moved aside, a daemon that has stopped
is ended, and the next one finds again what serves.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil

from shipway.core.checks import Repair
from shipway.core.errors import ShipwayError
from shipway.local.daemon import LocalDaemon
from shipway.local.places import Places
from shipway.local.router import state as router_state
from shipway.local.state import serving_copy
from shipway.local.state.store import is_damaged
from shipway.local.tasks.task_table import read_record

_SOCKET_PATIENCE = 8.0
"""A daemon that is about to start, or makes its socket anew, is waited for so long."""
_PATIENCE = 5.0
"""Seconds of silence after which a daemon that listens is taken for one that has stopped."""
_END_TIMEOUT = 10.0
_PAUSE = 0.05
_FOLDERS = ("artifacts", "logs", "router", "tasks")


def plan(places: Places, daemon: LocalDaemon) -> list[Repair]:
    """What has to be done, in order. Looks only."""
    pid, answers = _look(places, daemon)
    damaged = list(_damaged(places, time.strftime("%Y%m%d-%H%M%S")))
    ends = pid is not None and (not answers or bool(damaged))
    steps = []
    if ends:
        found = f"the daemon (process {pid or 'unknown'}) {'works on damaged files' if answers else 'answers nothing'}"
        steps.append(Repair(found, "ended", partial(_end, daemon, pid or 0)))
    steps += damaged
    if pid is None and places.socket.exists():
        left = f"{places.socket} is left of a daemon that has ended"
        steps.append(Repair(left, "removed", partial(places.socket.unlink, missing_ok=True), daemon.socket))
    if (places.state / "state.db").exists():
        missing = [places.state / name for name in _FOLDERS if not (places.state / name).exists()]
        steps += [
            Repair(f"{path} is missing", "made", partial(path.mkdir, mode=0o700, exist_ok=True), str(path))
            for path in missing
        ]
    if ends or (pid is None and (steps or daemon.is_left_serving())):
        found = "the control plane does not run" if pid is None else "it is needed"
        steps.append(Repair(found, "started", daemon.start))
    return steps


def _look(places: Places, daemon: LocalDaemon) -> tuple[int | None, bool]:
    """The daemon's process, if there is one, and whether it answers."""
    deadline = time.monotonic() + _SOCKET_PATIENCE
    while not daemon.answers(_PATIENCE):
        pid = daemon.process()
        if pid is None or places.socket.exists() or time.monotonic() > deadline:
            return pid, False
        time.sleep(_PAUSE)
    return daemon.process(), True


def _damaged(places: Places, stamp: str) -> Iterator[Repair]:
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


def _put_aside(path: Path, stamp: str, found: str) -> Repair:
    to = path.with_name(f"{path.name}.damaged-{stamp}")
    return Repair(f"{path} {found}", f"kept as {to.name}", partial(path.rename, to), str(path))


def _end(daemon: LocalDaemon, pid: int) -> None:
    """End the daemon's process: asked first, then forced, for one that is stopped hears nothing."""
    for number in (signal.SIGKILL,) if _is_stopped(pid) else (signal.SIGTERM, signal.SIGKILL):
        if _is_daemon(pid):
            os.kill(pid, number)
        deadline = time.monotonic() + (_END_TIMEOUT if number == signal.SIGKILL else _END_TIMEOUT / 4)
        while time.monotonic() < deadline:
            if daemon.process() is None:
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
