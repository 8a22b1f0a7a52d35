"""Tasks as processes: started in sessions of their own, recognised again later, stopped with all they started."""

from __future__ import annotations

import errno
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import psutil

from shipway.core.errors import ShipwayError
from shipway.core.tasks import LAUNCH, Runner, TaskHandle, TaskSpec
from shipway.local.builds.address import address_of
from shipway.local.files import log_file
from shipway.local.secrets.log_filters import LogFilters
from shipway.local.secrets.redaction import forms
from shipway.local.secrets.values import Values, no_values
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
from shipway.local.tasks.task_logs import FileTaskLog

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
"""Errors that say nothing about the command: it can be started once the machine has room again."""
_COUNT_INTERVAL = 1.0
_KILL_TIMEOUT = 5.0
_PAUSE = 0.01


class ProcessRunner(Runner):
    """Tasks as processes of this machine. They outlive this program. A handle's id is the process's.

    What a task with secrets writes goes through a filter that outlives this program, too, so that no value is on disk.
    """

    def __init__(self, log: FileTaskLog, secrets: Values = no_values) -> None:
        self._log = log
        self._secrets = secrets
        self._filters = LogFilters()
        self._lock = threading.Lock()
        self._children: dict[TaskHandle, subprocess.Popen[bytes]] = {}
        self._endings: dict[TaskHandle, str] = {}
        self._families: dict[TaskHandle, dict[int, float]] = {}
        self._counted_at = -math.inf

    @property
    def log(self) -> FileTaskLog:
        return self._log

    def start(self, spec: TaskSpec, /) -> TaskHandle:
        tree = address_of(spec.artifact).tree
        port = str(spec.port)
        argv = [argument.replace("{port}", port) for argument in spec.argv]
        variables = {name: value.replace("{port}", port) for name, value in spec.env.items()} | {"PORT": port}
        secrets = self._secrets(spec.environment, spec.secrets)
        try:
            output = self._output(spec, secrets.values())
            try:
                _require_program(argv[0], tree, variables)
                child = subprocess.Popen(
                    [*_LAUNCHER, *argv],
                    cwd=tree,
                    env={**variables, **secrets},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            finally:
                os.close(output)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in _PASSING:
                raise
            raise ShipwayError(
                f"{spec.service}: cannot start `{' '.join(argv)}`: {error}",
                fix=f"check `command:` of {spec.service} in shipway.yaml, and its lock file",
            ) from error
        try:
            # The child was not waited for yet, so it cannot vanish before its start time is read.
            handle = TaskHandle(str(child.pid), started_at(child.pid) or 0.0)
        except OSError:
            child.kill()
            child.wait()
            raise
        with self._lock:
            self._children[handle] = child
        return handle

    def find(self, spec: TaskSpec, /) -> TaskHandle | None:
        launch = spec.env.get(LAUNCH)
        for pid in marked(LAUNCH, launch) if launch else ():
            started = started_at(pid)
            if started is not None and session_of(pid) == pid:
                return TaskHandle(str(pid), started)
        return None

    def exit_reason(self, _spec: TaskSpec, handle: TaskHandle, /) -> str | None:
        with self._lock:
            if self._runs(handle):
                self._families.setdefault(handle, {})
                self._count_families()
                return None
            return self._endings.get(handle, "ended while no daemon watched it")

    def is_stopped(self, _spec: TaskSpec, handle: TaskHandle, /) -> bool:
        with self._lock:
            return self._runs(handle) and is_stopped(_pid(handle))

    def stranger(self, spec: TaskSpec, handle: TaskHandle, /) -> str | None:
        return stranger_on(spec.port, self._members(spec, handle))

    def runs(self, spec: TaskSpec, handle: TaskHandle, /) -> str:
        """Read from the folder that the process works in."""
        try:
            works_in = psutil.Process(_pid(handle)).cwd()
        except psutil.Error:
            return "gone"
        return spec.artifact.digest if works_in == os.path.realpath(address_of(spec.artifact).tree) else "unknown"

    def terminate(self, _spec: TaskSpec, handle: TaskHandle, /) -> None:
        with self._lock:
            if self._runs(handle):
                self._families.setdefault(handle, {}).update(_family(handle))
                send(_pid(handle), signal.SIGTERM)

    def kill(self, spec: TaskSpec, handle: TaskHandle | None, /) -> None:
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
        if spec.secrets and LAUNCH in spec.env:
            # The last lines say why it ended.
            self._filters.finish(spec.env[LAUNCH])

    def _output(self, spec: TaskSpec, secrets: Iterable[str]) -> int:
        """What the task writes to: its log, or the filter before it."""
        log = log_file.open_for_append(self._log.file(spec))
        hidden = forms(secrets)
        if not hidden:
            return log
        try:
            return self._filters.start(hidden, log, spec.env.get(LAUNCH) or uuid.uuid4().hex)
        finally:
            os.close(log)

    def _left(self, spec: TaskSpec, handle: TaskHandle | None) -> set[int]:
        """What to kill now: the leader last, because while it lives every orphan of the task becomes its child."""
        launch = spec.env.get(LAUNCH)
        left = set(marked(LAUNCH, launch)) if launch else set()
        if handle is None:
            return left
        left |= set(session_members(_pid(handle), handle.started))
        left |= {pid for pid, started in self._families.get(handle, {}).items() if started_at(pid) == started}
        if not self._runs(handle):
            return left
        # A stopped process starts no others meanwhile.
        send(_pid(handle), signal.SIGSTOP)
        left |= descendants([_pid(handle)])
        return left - {_pid(handle)} or {_pid(handle)}

    def _members(self, spec: TaskSpec, handle: TaskHandle) -> Iterator[int]:
        """The task's processes, the cheapest to find first."""
        yield _pid(handle)
        yield from descendants([_pid(handle)])
        yield from session_members(_pid(handle), handle.started)
        if launch := spec.env.get(LAUNCH):
            yield from marked(LAUNCH, launch)

    def _count_families(self) -> None:
        """Remember what the tasks have started: when a task dies, nothing else tells whose orphans they are."""
        if time.monotonic() < self._counted_at + _COUNT_INTERVAL:
            return
        self._counted_at = time.monotonic()
        children = children_of_all()
        for handle, family in self._families.items():
            if started_at(_pid(handle)) == handle.started:
                family.update(_with_starts(descendants([_pid(handle)], children)))
                for pid in [pid for pid, started in family.items() if started_at(pid) != started]:
                    del family[pid]

    def _runs(self, handle: TaskHandle) -> bool:
        child = self._children.get(handle)
        if child is None:
            return started_at(_pid(handle)) == handle.started
        code = child.poll()
        if code is None:
            return True
        del self._children[handle]
        self._endings[handle] = f"exit code {code}" if code >= 0 else f"killed by {signal_name(-code)}"
        return False


def _pid(handle: TaskHandle) -> int:
    return int(handle.id)


def _family(handle: TaskHandle) -> dict[int, float]:
    return _with_starts(descendants([_pid(handle)]))


def _with_starts(pids: Iterable[int]) -> dict[int, float]:
    return {pid: started for pid in pids if (started := started_at(pid)) is not None}


def _require_program(program: str, folder: str, variables: Mapping[str, str]) -> None:
    """Raise FileNotFoundError unless the program can be started: the launcher could only log it."""
    if os.sep in program:
        found = os.access(Path(folder, program), os.X_OK)
    else:
        found = shutil.which(program, path=variables.get("PATH", os.defpath)) is not None
    if not found or not Path(folder).is_dir():
        missing = folder if found else program
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), missing)
