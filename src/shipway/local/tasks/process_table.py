"""The machine's processes: since when they run, in which session, with which mark in their environment."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import psutil

from shipway.core.errors import ShipwayError

_KILL_TIMEOUT = 30.0
_PAUSE = 0.01
_TRIES = 1000
_LISTS = 20
"""How often processes are listed within one look: a machine that always starts some would never end it."""
_KERNEL_THREAD = 0x00200000
"""PF_KTHREAD among the flags in /proc/PID/stat."""
_OURSELVES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors that mean that this program ran out of something, whichever process it looks at."""


def children_of_all() -> dict[int, list[int]]:
    """Every process with its children, adopted ones included."""
    children: dict[int, list[int]] = {}
    for pid in psutil.pids():
        with contextlib.suppress(psutil.Error):
            fields = _fields(pid)
            parent = psutil.Process(pid).ppid() if fields is None else int(fields[1])
            children.setdefault(parent, []).append(pid)
    return children


def descendants(roots: Iterable[int], children: Mapping[int, list[int]] | None = None) -> set[int]:
    """The live processes that the processes `roots` started, and those that these started, and so on."""
    children = children_of_all() if children is None else children
    found: set[int] = set()
    ahead = list(roots)
    while ahead:
        new = [pid for pid in children.get(ahead.pop(), ()) if pid not in found]
        found.update(new)
        ahead += new
    return {pid for pid in found if started_at(pid) is not None}


def is_stopped(pid: int) -> bool:
    """Whether a signal such as SIGSTOP holds the process still."""
    with contextlib.suppress(psutil.Error):
        fields = _fields(pid)
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED if fields is None else fields[0] == b"T"
    return False


def started_at(pid: int) -> float | None:
    """When the kernel started a process; None when there is none or only its zombie is left.

    Seconds since boot on Linux, where no clock step moves them; Unix time elsewhere.
    """
    if sys.platform != "linux":
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
        return None
    fields = _fields(pid)
    return None if fields is None or fields[0] in (b"Z", b"X") else int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _fields(pid: int) -> list[bytes] | None:
    """The process's fields in /proc from its state on; None when there is none, or no /proc."""
    try:
        # The program's name may hold spaces and brackets; the fields follow its last bracket.
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def marked(variable: str, value: str) -> Iterator[int]:
    """The processes that were started with the environment variable, by us or by their parents."""
    seen = {os.getpid()}
    # A process may start another and end while we look: the new one is in a later list only.
    for _ in range(_LISTS):
        new = set(psutil.pids()) - seen
        if not new:
            return
        seen |= new
        for pid in sorted(new):
            if environment_of(pid).get(variable) == value and started_at(pid) is not None:
                yield pid


def environment_of(pid: int) -> Mapping[str, str]:
    """The environment that a process was started with; empty when there is none that we may read.

    Raises OSError when this program itself has run out of memory or open files.
    """
    before: tuple[int, int] | None = (0, 0)
    for _ in range(_TRIES):
        try:
            found: Mapping[str, str] = psutil.Process(pid).environ()
        except psutil.Error:
            return {}
        except OSError as error:
            if error.errno in _OURSELVES:
                # We could not look; the process does not hide its environment. "None is left" would be a guess.
                raise
            return {}
        now = _environment_bounds(pid)
        if found or now is None or now == before != (0, 0):
            # Empty between two looks at the same program: it has none, or wrote its title over it, as servers do.
            return found
        before = now
        time.sleep(_PAUSE / 10)
    return {}


def _environment_bounds(pid: int) -> tuple[int, int] | None:
    """Where in its memory a process has its environment; None for a process that is gone, or a part of the kernel.

    While it replaces its program, the old environment is gone and the new one's bounds in /proc/PID/stat are 0 (proc(5)).
    """
    fields = _fields(pid)
    if fields is None or fields[0] in b"ZX" or int(fields[6]) & _KERNEL_THREAD:
        return None
    return int(fields[47]), int(fields[48])


def end_marked(variable: str, value: str) -> None:
    """Kill all processes that carry the environment variable. Raises ShipwayError when one does not end."""
    deadline = time.monotonic() + _KILL_TIMEOUT
    left: set[int] = set()
    while time.monotonic() < deadline:
        left = set()
        for pid in marked(variable, value):
            # At once: it may start others while we go on looking.
            send(pid, signal.SIGKILL)
            left.add(pid)
        if not left:
            return
        time.sleep(_PAUSE)
    raise ShipwayError(f"processes {sorted(left)} do not end on SIGKILL")


def session_members(leader: int, started: float) -> Iterator[int]:
    """The live processes of the session that the process `leader`, started then, opened; itself included."""
    # A session's number is not given to a new process while members are left. So when the number belongs to a
    # process that is not the leader, the session is gone.
    found = started_at(leader)
    if found is not None and found != started:
        return
    for pid in psutil.pids():
        if session_of(pid) == leader:
            since = started_at(pid)
            if since is not None and since >= started:
                yield pid


def session_of(pid: int) -> int | None:
    """The session that a process belongs to; None when there is no such process."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        return os.getsid(pid)
    return None


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal; fine when the process has ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def signal_name(number: int) -> str:
    """Such as SIGKILL."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
