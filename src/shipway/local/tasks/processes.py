"""Tasks as processes: started in sessions of their own, recognised again later, stopped with all they started."""

from __future__ import annotations

import errno
import math
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from shipway.core.errors import ShipwayError
from shipway.core.observations.observation import Side
from shipway.local.files import log_file
from shipway.local.tasks.port_owner import stranger_on
from shipway.local.tasks.process_table import (
    children_of_all,
    descendants,
    is_stopped,
    marked,
    send,
    session_members,
    session_of,
    signal_name,
    started_at,
)

LAUNCH = "SHIPWAY_LAUNCH"
"""The variable by which a process is found whose start was not recorded any more."""
_LAUNCHER = (
    (
        sys.executable, "-I", "-S", "-c",
        "import ctypes, os, sys; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0); os.execvp(sys.argv[1], sys.argv[1:])",
    )
    if sys.platform == "linux"
    else ()
)  # fmt: skip
"""Becomes the task, after PR_SET_CHILD_SUBREAPER (36): what the task's children leave behind becomes its own child,
as with the first process of a container, so that whatever it started is found below it."""
_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""Errors that say nothing of the command: it can be started once the machine has room again."""
_COUNT_INTERVAL = 1.0
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
    health_path: str = ""
    host: str = "localhost"


@dataclass(frozen=True, slots=True)
class Handle:
    """A running process: its id, and when the kernel started it, so that a reused id is never taken for ours."""

    pid: int
    started: float


class Runner(Protocol):
    """What runs tasks: processes here, containers elsewhere."""

    def start(self, spec: TaskSpec, /) -> Handle:
        """Start the task.

        Raises ShipwayError when its command cannot be started, OSError when the machine lacks something just now,
        such as descriptors or memory; nothing runs then.
        """
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

    def is_stopped(self, spec: TaskSpec, handle: Handle, /) -> bool:
        """Whether it runs, yet is held still by a signal such as SIGSTOP."""
        ...

    def stranger(self, spec: TaskSpec, handle: Handle, /) -> str | None:
        """Who else listens on the task's port; None when it is the task, nobody, or can't be told."""
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
        self._families: dict[Handle, dict[int, float]] = {}
        self._counted_at = -math.inf

    def start(self, spec: TaskSpec, /) -> Handle:
        port = str(spec.port)
        argv = [argument.replace("{port}", port) for argument in spec.argv]
        variables = {name: value.replace("{port}", port) for name, value in spec.env.items()} | {"PORT": port}
        try:
            log = log_file.open_for_append(Path(spec.log))
            try:
                _require_program(argv[0], spec.cwd, variables)
                child = subprocess.Popen(
                    [*_LAUNCHER, *argv],
                    cwd=spec.cwd,
                    env=variables,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            finally:
                os.close(log)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in _PASSING:
                raise
            raise ShipwayError(
                f"{spec.service}: cannot start `{' '.join(argv)}`: {error}",
                fix=f"check `command:` of {spec.service} in shipway.yaml, and its lock file",
            ) from error
        try:
            # Not yet waited for, the child cannot vanish before its start time is read.
            handle = Handle(child.pid, started_at(child.pid) or 0.0)
        except OSError:
            child.kill()
            child.wait()
            raise
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
                self._families.setdefault(handle, {})
                self._count_families()
                return None
            return self._endings.get(handle, "ended while no daemon watched it")

    def is_stopped(self, _spec: TaskSpec, handle: Handle, /) -> bool:
        with self._lock:
            return self._runs(handle) and is_stopped(handle.pid)

    def stranger(self, spec: TaskSpec, handle: Handle, /) -> str | None:
        return stranger_on(spec.port, self._members(spec, handle))

    def terminate(self, _spec: TaskSpec, handle: Handle, /) -> None:
        with self._lock:
            if self._runs(handle):
                self._families.setdefault(handle, {}).update(_family(handle))
                send(handle.pid, signal.SIGTERM)

    def kill(self, spec: TaskSpec, handle: Handle | None, /) -> None:
        with self._lock:
            deadline = time.monotonic() + _KILL_TIMEOUT
            while left := self._left(spec, handle):
                if time.monotonic() > deadline:
                    raise ShipwayError(f"task {spec.id}: processes {sorted(left)} do not end on SIGKILL")
                for pid in left:
                    send(pid, signal.SIGKILL)
                time.sleep(_PAUSE)
            if handle is not None:
                self._endings.pop(handle, None)
                self._families.pop(handle, None)

    def _left(self, spec: TaskSpec, handle: Handle | None) -> set[int]:
        """What is to be killed now: the leader last, as long as it lives every orphan of the task stays its child."""
        launch = spec.env.get(LAUNCH)
        left = set(marked(LAUNCH, launch)) if launch else set()
        if handle is None:
            return left
        left |= set(session_members(handle.pid, handle.started))
        left |= {pid for pid, started in self._families.get(handle, {}).items() if started_at(pid) == started}
        if not self._runs(handle):
            return left
        # Held still, it starts no others meanwhile.
        send(handle.pid, signal.SIGSTOP)
        left |= descendants([handle.pid])
        return left - {handle.pid} or {handle.pid}

    def _members(self, spec: TaskSpec, handle: Handle) -> Iterator[int]:
        """The task's processes, those first that are found at the least cost."""
        yield handle.pid
        yield from descendants([handle.pid])
        yield from session_members(handle.pid, handle.started)
        if launch := spec.env.get(LAUNCH):
            yield from marked(LAUNCH, launch)

    def _count_families(self) -> None:
        """Remember what the tasks have started: when a task dies, nothing else tells whose its orphans were."""
        if time.monotonic() < self._counted_at + _COUNT_INTERVAL:
            return
        self._counted_at = time.monotonic()
        children = children_of_all()
        for handle, family in self._families.items():
            if started_at(handle.pid) == handle.started:
                family.update(_with_starts(descendants([handle.pid], children)))
                for pid in [pid for pid, started in family.items() if started_at(pid) != started]:
                    del family[pid]

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


def _family(handle: Handle) -> dict[int, float]:
    return _with_starts(descendants([handle.pid]))


def _with_starts(pids: Iterable[int]) -> dict[int, float]:
    return {pid: started for pid in pids if (started := started_at(pid)) is not None}


def _require_program(program: str, folder: str, variables: Mapping[str, str]) -> None:
    """Raise FileNotFoundError unless the program can be started: the launcher could only say so in the task's log."""
    if os.sep in program:
        found = os.access(Path(folder, program), os.X_OK)
    else:
        found = shutil.which(program, path=variables.get("PATH", os.defpath)) is not None
    if not found or not Path(folder).is_dir():
        missing = folder if found else program
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), missing)


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
    raise ShipwayError(
        f"no free port found between {_PORTS.start} and {_PORTS.stop - 1}",
        fix="`ss -ltn` shows what listens there; end what you don't need",
    )


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
