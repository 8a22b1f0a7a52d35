"""Tasks as processes: started in sessions of their own, recognised again later, stopped with all they started."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from shipway.core.errors import ShipwayError
from shipway.core.observation import Side
from shipway.local import log_file
from shipway.local.process_table import marked, send, session_members, session_of, signal_name, started_at

LAUNCH = "SHIPWAY_LAUNCH"
"""The variable by which a process is found whose start was not recorded any more."""
_KILL_TIMEOUT = 5.0
_PAUSE = 0.01
_PORTS = range(10_000, 20_000)
_PORT_REST = 60.0


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One task to run. `{port}` in `argv` and `env` becomes `port`; port 0 asks the supervisor for a free one.

    `cwd` and `log` are absolute paths, timeouts are seconds, `env` is the whole environment but for PORT.
    """

    id: str
    environment: str
    side: Side
    service: str
    release: str
    artifact_digest: str
    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    port: int
    ready_path: str
    log: str
    start_timeout: float
    drain_timeout: float
    host: str = "localhost"


@dataclass(frozen=True, slots=True)
class Handle:
    """A running process: its id, and when the kernel started it, so that a reused id is never taken for ours."""

    pid: int
    started: float


class Runner(Protocol):
    """What runs tasks: processes here, containers elsewhere."""

    def start(self, spec: TaskSpec, /) -> Handle:
        """Start the task. Raises ShipwayError when it cannot even be started."""
        ...

    def find(self, spec: TaskSpec, /) -> Handle | None:
        """The running task that was started from exactly this spec, if there is one."""
        ...

    def is_alive(self, spec: TaskSpec, handle: Handle, /) -> bool:
        """Whether it runs."""
        ...

    def exit_reason(self, spec: TaskSpec, handle: Handle, /) -> str | None:
        """How it ended, such as `exit code 3`; None while it runs."""
        ...

    def terminate(self, spec: TaskSpec, handle: Handle, /) -> None:
        """Ask it to finish what is in flight and exit; returns at once."""
        ...

    def kill(self, spec: TaskSpec, handle: Handle | None, /) -> None:
        """End it and everything it started, now. Fine for a task that is gone, or of which no handle is known."""
        ...


class ProcessRunner(Runner):
    """Tasks as processes of this machine. They outlive this program."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._children: dict[Handle, subprocess.Popen[bytes]] = {}
        self._endings: dict[Handle, str] = {}

    def start(self, spec: TaskSpec, /) -> Handle:
        port = str(spec.port)
        argv = [argument.replace("{port}", port) for argument in spec.argv]
        variables = {name: value.replace("{port}", port) for name, value in spec.env.items()}
        try:
            log = log_file.open_for_append(Path(spec.log))
            try:
                child = subprocess.Popen(
                    argv,
                    cwd=spec.cwd,
                    env=variables | {"PORT": port},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            finally:
                os.close(log)
        except (OSError, ValueError) as error:
            raise ShipwayError(
                f"{spec.service}: cannot start `{' '.join(argv)}`: {error}",
                fix=f"check `command:` of {spec.service} in shipway.yaml, and its lock file",
            ) from error
        # Not yet waited for, the child cannot vanish before its start time is read.
        handle = Handle(child.pid, started_at(child.pid) or 0.0)
        with self._lock:
            self._children[handle] = child
        return handle

    def find(self, spec: TaskSpec, /) -> Handle | None:
        launch = spec.env.get(LAUNCH)
        for pid in marked(LAUNCH, launch) if launch else ():
            started = started_at(pid)
            if started is not None and session_of(pid) == pid:
                return Handle(pid, started)
        return None

    def is_alive(self, _spec: TaskSpec, handle: Handle, /) -> bool:
        with self._lock:
            return self._runs(handle)

    def exit_reason(self, _spec: TaskSpec, handle: Handle, /) -> str | None:
        with self._lock:
            if self._runs(handle):
                return None
            return self._endings.get(handle, "ended while no daemon watched it")

    def terminate(self, _spec: TaskSpec, handle: Handle, /) -> None:
        with self._lock:
            if self._runs(handle):
                send(handle.pid, signal.SIGTERM)

    def kill(self, spec: TaskSpec, handle: Handle | None, /) -> None:
        launch = spec.env.get(LAUNCH)
        with self._lock:
            deadline = time.monotonic() + _KILL_TIMEOUT
            while left := self._left(handle, launch):
                if time.monotonic() > deadline:
                    raise ShipwayError(f"task {spec.id}: processes {sorted(left)} do not end on SIGKILL")
                for pid in left:
                    send(pid, signal.SIGKILL)
                time.sleep(_PAUSE)
            if handle is not None:
                self._endings.pop(handle, None)

    def _left(self, handle: Handle | None, launch: str | None) -> set[int]:
        left = set(marked(LAUNCH, launch)) if launch else set()
        if handle is not None:
            left |= set(session_members(handle.pid, handle.started)) | ({handle.pid} if self._runs(handle) else set())
        return left

    def _runs(self, handle: Handle) -> bool:
        child = self._children.get(handle)
        if child is None:
            return started_at(handle.pid) == handle.started
        code = child.poll()
        if code is None:
            return True
        del self._children[handle]
        self._endings[handle] = f"exit code {code}" if code >= 0 else f"killed by {signal_name(-code)}"
        return False


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on; the same is not given again for a minute.

    Taken from below the range out of which the kernel serves outgoing connections (those would take a port between
    this answer and the task's own bind), and apart from the ports on which the router listens.
    """
    with _ports_lock:
        now = time.monotonic()
        for port in random.sample(_PORTS, 200):
            if now - _ports_given.get(port, -_PORT_REST) >= _PORT_REST and _is_free(port):
                _ports_given[port] = now
                return port
    raise ShipwayError(f"no free port found between {_PORTS.start} and {_PORTS.stop - 1}", fix="stop some tasks")


_ports_lock = threading.Lock()
_ports_given: dict[int, float] = {}


def _is_free(port: int) -> bool:
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
