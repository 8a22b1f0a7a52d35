"""HAProxy with a file written by hand: the same program as Shipway's router, and nothing on top of it."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from pathlib import Path

from shipway.core.errors import ShipwayError
from shipway.local.router.ports import draw_free
from shipway.local.router.process import find_haproxy

_TEXT = """global
    nbthread {threads}
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend public
    bind 127.0.0.1:{port}
    default_backend tasks
backend tasks
{servers}
"""


class BareHAProxy:
    """Listens on `port` and sends every request to one of the tasks."""

    def __init__(self, folder: Path, tasks: list[int], threads: int = 1) -> None:
        self.port = draw_free(tasks)
        self._threads = threads
        self._file = folder / "haproxy.cfg"
        self._write(tasks)
        self._process = subprocess.Popen(
            [find_haproxy(), "-W", "-f", str(self._file)], cwd=folder, stderr=subprocess.DEVNULL, start_new_session=True
        )
        wait_until_listening(self.port)

    @property
    def pid(self) -> int:
        """The master process; its children do the work."""
        return self._process.pid

    def point_at(self, tasks: list[int]) -> None:
        """Edit the file and reload, as people do."""
        self._write(tasks)
        self._process.send_signal(signal.SIGUSR2)

    def stop(self) -> None:
        """End it at once."""
        self._process.terminate()
        self._process.wait(timeout=10)

    def _write(self, tasks: list[int]) -> None:
        servers = "\n".join(f"    server t{number} 127.0.0.1:{port}" for number, port in enumerate(tasks))
        self._file.write_text(_TEXT.format(port=self.port, servers=servers, threads=self._threads))


def wait_until_listening(port: int, seconds: float = 10.0) -> None:
    """Return once somebody listens. Raises ShipwayError after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise ShipwayError(f"nobody listens on port {port} after {seconds:g} s")
