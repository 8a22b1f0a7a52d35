"""A server, or the whole service, in a thread of the test: on a free port, the service's log in a file."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvloop

from ml_model_service.app import App
from ml_model_service.contract.wanted import Wanted
from ml_model_service.http.server import Server
from ml_model_service.logs import Log, RequestLog
from ml_model_service.settings import Settings
from ml_model_service.versions.model import Model
from ml_model_service.versions.reload import Served
from ml_model_service.versions.sources import source_at


class Running:
    """A server that listens; `stop` ends it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._loop = uvloop.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._wait_until_it_listens()

    @property
    def thread_name(self) -> str:
        """The thread that its event loop runs in."""
        return self._thread.name

    def connect(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Keep the event loop from looking at its sockets meanwhile."""
        begun, done = threading.Event(), threading.Event()
        self._loop.call_soon_threadsafe(lambda: (begun.set(), done.wait(10)))
        assert begun.wait(10)
        try:
            yield
        finally:
            done.set()

    def begin_to_stop(self) -> None:
        """As SIGTERM does."""
        self._loop.call_soon_threadsafe(self._stop.set)

    def stop(self) -> None:
        """End it; may be called again."""
        if self._thread.is_alive():
            self.begin_to_stop()
            self._thread.join(10)
            assert not self._thread.is_alive(), "the server did not stop"
            self._loop.close()

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=10).close()
                return
            except ConnectionRefusedError:
                assert time.monotonic() < deadline, "the service does not listen"
                time.sleep(0.001)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        logging.getLogger("ml_model_service.http.server").setLevel(logging.CRITICAL)
        self._loop.run_until_complete(self._server.serve("127.0.0.1", self.port, self._stop, 5.0))


class Service(Running):
    """The whole service."""

    def __init__(self, settings: Settings, served: Served, log: Path, body_timeout: float = 5.0) -> None:
        self.served, self._log = served, log
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.log = Log((("task", "t-1"),), descriptor)
        source = None if settings.bucket is None else source_at(settings.bucket, settings.pickles)
        self.app = App(settings, served, RequestLog(self.log, every=0), source)
        super().__init__(Server(self.app, self.app.refuse, max_body=settings.max_body, body_timeout=body_timeout))
        # without certificates, of which each client would read 25 ms long
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", verify=False)

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request."""
        return self.http.request(method, path, **options)

    def connect(self) -> socket.socket:
        """A bare connection, once those before it have been accepted."""
        self.send("GET", "/health")
        return super().connect()

    def serve(self, *models: Model, wanted: Wanted | None = None) -> None:
        """Take the models into service, the first as stable."""
        wanted = wanted or Wanted(models[0].version)
        self.served.take(wanted, {model.version: model for model in models})

    def lines(self) -> list[dict[str, Any]]:
        """What was logged once the service has stopped, in order."""
        self.stop()
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def stop(self) -> None:
        """End it; may be called again."""
        if self._thread.is_alive():
            self.http.close()
            super().stop()
            self.app.close()
