"""Ports of this machine: which are free, and who holds one that is not."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from shipway.core.errors import ShipwayError
from shipway.local.whose import app_of, apps_running

# Below the range from which systems hand out ports by themselves, so that a stored port is not taken by chance.
_INTERNAL = range(20_000, 30_000)
_TRIES = 500


def is_free(port: int) -> bool:
    """Whether a listener could take the port on 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def draw_free(taken: Iterable[int], within: range = _INTERNAL) -> int:
    """A free port that is not in `taken`. Raises ShipwayError when hundreds that were tried are not free."""
    excluded = set(taken)
    for port in random.sample(within, _TRIES):
        if port not in excluded and is_free(port):
            return port
    raise ShipwayError(
        f"no port between {within.start} and {within.stop - 1} is free on 127.0.0.1",
        fix="`ss -ltn` shows what listens there; end what you don't need",
    )


def holders(port: int) -> tuple[psutil.Process, ...]:
    """The processes that listen on the port, as far as the system tells."""
    try:
        pids = {
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
            and connection.laddr
            and connection.laddr.port == port
            and connection.pid is not None
        }
        return tuple(psutil.Process(pid) for pid in sorted(pids))
    except psutil.Error:
        return ()


def listening(processes: Iterable[psutil.Process]) -> frozenset[int]:
    """The ports that these processes listen on; those that ended or hide theirs are left out."""
    ports: set[int] = set()
    for process in processes:
        with contextlib.suppress(psutil.Error):
            ports.update(
                connection.laddr.port
                for connection in process.net_connections("tcp")
                if connection.status == psutil.CONN_LISTEN
            )
    return frozenset(ports)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a port, in words, and what can be done about it."""

    who: str
    fix: str
    own: bool = False


def holder_of(port: int, root: Path) -> Holder:
    """Who has the port. A process of another app's Shipway serves that app's clients: never advise to end it."""
    found = holders(port)
    apps = [app for process in found if (app := app_of(process)) is not None]
    described = ", ".join(_describe(process) for process in found)
    if apps and apps[0] != root:
        return Holder(
            f"Shipway's of the app in {apps[0]}, which serves there ({described})",
            f"choose another port in shipway.yaml here. If the app in {apps[0]} need not serve: shipway down there",
        )
    if apps:
        return Holder(f"this app's own {described}", "shipway repair", own=True)
    if found:
        return Holder(described, "choose another port in shipway.yaml, or end that process if it is yours to end")
    others = ", ".join(str(app) for app in apps_running() if app != root)
    hint = f", perhaps Shipway's of the app in {others}" if others else ""
    return Holder(
        f"another user's process{hint}", "choose another port in shipway.yaml; only root and that user see who it is"
    )


def require_free(ports: Iterable[int], own: Collection[int], root: Path) -> None:
    """Raises ShipwayError naming the holder of the first port that is neither free nor among `own`."""
    for port in ports:
        if port not in own and not is_free(port):
            holder = holder_of(port, root)
            raise ShipwayError(f"port {port} is taken by {holder.who}", fix=holder.fix, state="nothing was changed")


def _describe(process: psutil.Process) -> str:
    try:
        return f"{process.name()}, process {process.pid}"
    except psutil.Error:
        return f"process {process.pid}"
