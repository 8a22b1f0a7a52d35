"""How people change what runs without a tool, with the same service and the same clients."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.bare_haproxy import BareHAProxy, wait_until_listening
from benchmarks.clients import clients, wait_for_requests
from benchmarks.throwaway import hello_service
from shipway.demo.question import Question
from shipway.local.router.ports import draw_free


class Service:
    """The hello service, started by hand."""

    def __init__(self, folder: Path, port: int, delay: float) -> None:
        self.port = port
        file = folder / "app.py"
        file.write_text(hello_service(0, delay=delay))
        environment = {**os.environ, "PORT": str(port)}
        self._process = subprocess.Popen([sys.executable, str(file)], env=environment, start_new_session=True)

    def wait(self) -> None:
        """Return once it listens."""
        wait_until_listening(self.port)

    def stop(self) -> None:
        """SIGTERM, and wait for its end."""
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=10)


def lost_by_restart(times: int, rate: float, delay: float) -> tuple[int, int]:
    """Stop the service and start it again, `times` times: (failed, sent)."""
    with _folder() as folder:
        service = Service(folder, draw_free([]), delay)
        try:
            service.wait()
            with clients(f"http://127.0.0.1:{service.port}", Question("/"), rate, folder) as load:
                for _ in range(times):
                    wait_for_requests(load, 100)
                    service.stop()
                    service = Service(folder, service.port, delay)
                    service.wait()
                wait_for_requests(load, 100)
                summary = load.stop()
        finally:
            service.stop()
    return summary["failed"], summary["sent"]


def lost_by_reload(times: int, rate: float, delay: float) -> tuple[int, int]:
    """Start a new one, edit the router's file, reload it, SIGTERM to the old one, `times` times: (failed, sent)."""
    with _folder() as folder:
        service = Service(folder, draw_free([]), delay)
        router: BareHAProxy | None = None
        try:
            service.wait()
            router = BareHAProxy(folder, [service.port])
            with clients(f"http://127.0.0.1:{router.port}", Question("/"), rate, folder) as load:
                for _ in range(times):
                    wait_for_requests(load, 100)
                    old, service = service, Service(folder, draw_free([service.port]), delay)
                    try:
                        service.wait()
                        router.point_at([service.port])
                    finally:
                        old.stop()
                wait_for_requests(load, 100)
                summary = load.stop()
        finally:
            service.stop()
            if router is not None:
                router.stop()
    return summary["failed"], summary["sent"]


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="shipway-bench-") as name:
        yield Path(name)
