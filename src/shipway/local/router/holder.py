"""Holds the router's listening sockets and keeps a HAProxy on them: a process of its own, with nothing else to do.

While it lives, no connection is refused: between a HAProxy that died and its successor, clients wait in the sockets'
queues. It is run by its path and imports the standard library alone, so that it is small and has few ways to fail.
It knows nothing of Shipway: it starts the command that it was given last.

The sockets are HAProxy's own. After each start and reload they are asked of HAProxy (`expose-fd listeners`), and given
to the next HAProxy in the same way (`-x`). So it does not matter which of the two started first: a holder that was
killed is replaced beside a HAProxy that goes on serving.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SOCKET = "holder.sock"
WORKER_SOCKET = "worker.sock"
_START_TIMEOUT = 15.0
_CLI_TIMEOUT = 2.0
_PAUSE = 0.005
_WATCH_PAUSE = 0.1
"""Seconds between two looks at a process, where the system can't notify us of its end."""
_LONGEST_BACK_OFF = 5.0
_STEADY_AFTER = 10.0
_AT_ONCE = 200
_COUNT = struct.Struct("i")
_NO_NAMES = b"\0\0" + b"\0" * 4
"""What goes with each socket: no namespace, no interface, no options."""


class Holder:
    """Serves one command at a time: keep the HAProxy that it describes, and answer once that serves."""

    def __init__(self, runtime: Path) -> None:
        self._runtime = runtime
        self._listener = _listen(runtime / SOCKET)
        self._hand_over = _listen(runtime / "hand-over.sock")
        self._sockets: list[socket.socket] = []
        self._order: dict[str, Any] = {}
        self._child: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None
        self._end: int | None = None
        self._started = 0.0
        self._back_off = 0.0
        self._due: float | None = None
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)

    def run(self) -> None:
        """Until it is killed."""
        while True:
            for key, _ in self._selector.select(self._patience()):
                if key.fileobj is self._listener:
                    self._serve()
            if self._pid is not None and not self._is_alive():
                self._forget()
                self._due = time.monotonic() + self._back_off
            if self._due is not None and time.monotonic() >= self._due:
                self._revive()

    def _patience(self) -> float | None:
        if self._due is not None:
            return max(0.0, self._due - time.monotonic())
        return None if self._end is not None or self._pid is None else _WATCH_PAUSE

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection, contextlib.suppress(OSError, ValueError):
            connection.settimeout(_CLI_TIMEOUT)
            self._order = json.loads(connection.makefile().readline())
            error = self._keep()
            connection.sendall(json.dumps({"error": error, "held": len(self._sockets)}).encode() + b"\n")

    def _keep(self) -> str:
        """Watch the HAProxy that runs, or start one. Returns why none runs, or an empty text."""
        self._due = None
        if self._pid is not None and not self._is_alive():
            self._forget()
        master = self._master()
        if master is not None:
            self._watch(master)
            self._take_sockets()
            return ""
        unreachable = self._pid
        error = self._start()
        if unreachable is not None and not error:
            # It lives, but its socket is gone. Its successor serves, so it may finish what it has.
            with contextlib.suppress(ProcessLookupError):
                os.kill(unreachable, signal.SIGUSR1)
        return error

    def _revive(self) -> None:
        steady = time.monotonic() - self._started > _STEADY_AFTER
        self._back_off = 0.0 if steady else min(_LONGEST_BACK_OFF, 2 * self._back_off + _WATCH_PAUSE)
        self._due = None
        if self._start():
            self._due = time.monotonic() + self._back_off + _WATCH_PAUSE

    def _start(self) -> str:
        self._started = time.monotonic()
        log = Path(self._order["log"])
        command = [*self._order["command"], *(["-x", str(self._runtime / "hand-over.sock")] if self._sockets else [])]
        with log.open("wb") as output:
            child = subprocess.Popen(
                command, cwd=self._order["folder"], env={}, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        self._child = child
        while child.poll() is None and time.monotonic() < self._started + _START_TIMEOUT:
            self._give_sockets()
            if self._master() == child.pid:
                self._watch(child.pid)
                self._take_sockets()
                return ""
            time.sleep(_PAUSE)
        if child.poll() is None:
            child.kill()
            child.wait()
        self._child = None
        said = log.read_text("utf-8", "replace").strip()[-800:]
        return said or f"HAProxy gave no answer within {_START_TIMEOUT:.0f} s"

    def _master(self) -> int | None:
        """The process that answers at the master's socket and has a worker."""
        try:
            present = self._ask("haproxy.sock", b"show proc\n").partition("# old workers")[0]
        except OSError:
            return None
        rows = [fields for line in present.splitlines() if (fields := line.split()) and fields[0].isdigit()]
        kinds = {fields[1]: int(fields[0]) for fields in rows}
        return kinds.get("master") if "worker" in kinds else None

    def _ask(self, name: str, command: bytes) -> str:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_CLI_TIMEOUT)
            connection.connect(str(self._runtime / name))
            connection.sendall(command)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode("utf-8", "replace")

    def _watch(self, pid: int) -> None:
        if pid == self._pid:
            return
        self._forget()
        self._pid = pid
        with contextlib.suppress(AttributeError, OSError):
            self._end = os.pidfd_open(pid)
            self._selector.register(self._end, selectors.EVENT_READ)

    def _forget(self) -> None:
        if self._end is not None:
            self._selector.unregister(self._end)
            os.close(self._end)
        self._pid = self._end = None

    def _is_alive(self) -> bool:
        assert self._pid is not None
        if self._child is not None and self._child.pid == self._pid:
            return self._child.poll() is None
        try:
            os.kill(self._pid, 0)
        except ProcessLookupError:
            return False
        return True

    def _take_sockets(self) -> None:
        """Hold what HAProxy listens on now, and nothing else. If it reports none, nothing changes."""
        try:
            found = _receive_sockets(self._runtime / WORKER_SOCKET)
        except (OSError, struct.error):
            return
        for kept in self._sockets:
            kept.close()
        self._sockets = [one for one in found if one.family != socket.AF_UNIX]

    def _give_sockets(self) -> None:
        """Answer a HAProxy that asks, as it starts, for the sockets of the one before."""
        self._hand_over.settimeout(0)
        with contextlib.suppress(OSError):
            connection, _ = self._hand_over.accept()
            with connection:
                connection.settimeout(_CLI_TIMEOUT)
                connection.recv(100)
                connection.sendall(_COUNT.pack(len(self._sockets)))
                for at in range(0, len(self._sockets), _AT_ONCE):
                    numbers = [one.fileno() for one in self._sockets[at : at + _AT_ONCE]]
                    socket.send_fds(connection, [_NO_NAMES * len(numbers)], numbers)
                    connection.recv(_COUNT.size)


def _listen(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(8)
    return listener


def _receive_sockets(path: Path) -> list[socket.socket]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_CLI_TIMEOUT)
        connection.connect(str(path))
        connection.sendall(b"_getsocks\n")
        (count,) = _COUNT.unpack(connection.recv(_COUNT.size))
        found: list[socket.socket] = []
        while len(found) < count:
            data, numbers, _, _ = socket.recv_fds(connection, 65536, 1000)
            found += [socket.socket(fileno=number) for number in numbers]
            if not data:
                break
            connection.sendall(_COUNT.pack(0))
    return found


if __name__ == "__main__":
    for ignored in (signal.SIGHUP, signal.SIGINT):
        signal.signal(ignored, signal.SIG_IGN)
    Holder(Path(sys.argv[1])).run()
