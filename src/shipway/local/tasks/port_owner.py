"""Who listens on a port of this machine: the task that the port was given to, or another process."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

import psutil

_LISTENING = "0A"
# 127.0.0.1, every address, and both as IPv6 writes them.
_REACHED_BY_LOOPBACK = frozenset(
    {
        "0100007F",
        "00000000",
        "00000000000000000000000000000000",
        "0000000000000000FFFF00000100007F",
        "0000000000000000FFFF000000000000",
    }
)


def stranger_on(port: int, ours: Iterable[int]) -> str | None:
    """The process that listens on 127.0.0.1:`port` in place of the processes `ours`; None when there is none.

    Also None where the system does not say whose a socket is.
    """
    foreign = _listeners(port)
    for pid in ours if foreign else ():
        held = _sockets_of(pid)
        if held is None:
            return None
        foreign -= held
        if not foreign:
            return None
    return _name_of_holder(foreign) if foreign else None


def _listeners(port: int) -> set[str]:
    """The inodes of the sockets that take connections to the port."""
    found = set()
    wanted = f"{port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError), Path(table).open() as rows:
            next(rows, None)
            for row in rows:
                fields = row.split()
                if fields[3] != _LISTENING:
                    # The kernel lists listeners first. Of connections there may be thousands.
                    break
                address, _, number = fields[1].partition(":")
                if number == wanted and address in _REACHED_BY_LOOPBACK:
                    found.add(fields[9])
    return found


def _sockets_of(pid: int) -> set[str] | None:
    """The inodes of the process's sockets: none for a process that has ended, None where we may not look."""
    found = set()
    try:
        # Building a Path for each descriptor costs ten times as much.
        descriptors = os.listdir(f"/proc/{pid}/fd")  # noqa: PTH208
    except FileNotFoundError:
        return set()
    except OSError:
        return None
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            kind, _, inode = os.readlink(f"/proc/{pid}/fd/{descriptor}").partition(":[")  # noqa: PTH115
            if kind == "socket":
                found.add(inode.rstrip("]"))
    return found


def _name_of_holder(inodes: set[str]) -> str:
    for process in psutil.process_iter(["name"]):
        if (_sockets_of(process.pid) or set()) & inodes:
            return f"{process.info['name']} (process {process.pid})"
    return "a process that this user may not see"
