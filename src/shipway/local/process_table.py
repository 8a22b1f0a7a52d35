"""The machine's processes: who runs since when, in whose session, carrying which mark."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from shipway.core.errors import ShipwayError

_KILL_TIMEOUT = 5.0
_PAUSE = 0.01


def started_at(pid: int) -> float | None:
    """When the kernel started a process; None when there is none or only its zombie is left.

    Seconds since boot on Linux, where no clock step moves them; Unix time elsewhere.
    """
    if sys.platform != "linux":
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
        return None
    try:
        # The program's name may hold spaces and brackets; the fields follow its last bracket.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19]) / os.sysconf("SC_CLK_TCK")


def marked(variable: str, value: str) -> Iterator[int]:
    """The processes that were started with the environment variable, by us or by their parents."""
    for process in psutil.process_iter():
        try:
            found = process.environ().get(variable) == value
        except (psutil.Error, OSError):
            continue
        if found and process.pid != os.getpid() and started_at(process.pid) is not None:
            yield process.pid


def end_marked(variable: str, value: str) -> None:
    """Kill all processes that carry the environment variable. Raises ShipwayError when one does not end."""
    deadline = time.monotonic() + _KILL_TIMEOUT
    while left := set(marked(variable, value)):
        if time.monotonic() > deadline:
            raise ShipwayError(f"processes {sorted(left)} do not end on SIGKILL")
        for pid in left:
            send(pid, signal.SIGKILL)
        time.sleep(_PAUSE)


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
