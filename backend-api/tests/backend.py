"""The backend under test, behind a real port, and a client for it."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import structlog
import uvicorn
from structlog.typing import EventDict

from backend_api.config.settings import Settings
from backend_api.logs import Logger
from backend_api.main import create_app

FLIGHT: dict[str, object] = {
    "origin": "JFK",
    "destination": "LAX",
    "carrier": "B6",
    "departure": "2013-07-04T08:15",
}


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body, decoded."""
        decoded = json.loads(self.body)
        assert isinstance(decoded, dict)
        return decoded


@dataclass
class Backend:
    """A running backend: its port and what it logged."""

    port: int
    lines: list[dict[str, Any]] = field(default_factory=list)

    def call(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One request on its own connection; `body` is sent as it is when bytes or an iterator, else as JSON."""
        sent = body if body is None or isinstance(body, bytes | Iterator) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            # A server that refuses a body answers and closes while the rest is still being sent; its answer counts.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, path, body=sent, headers=dict(headers or {}))
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, response.read())
        finally:
            connection.close()

    def predict(self, body: object = None, **headers: str) -> Answer:
        """`POST /api/predict`; header names are written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.call("POST", "/api/predict", FLIGHT if body is None else body, named)

    def figures(self) -> dict[str, Any]:
        """What `GET /model-routes` tells."""
        return self.call("GET", "/model-routes").json

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The lines of this kind."""
        return [line for line in self.lines if line.get("event") == event]


def logger_into(lines: list[dict[str, Any]]) -> Logger:
    """Appends the fields of each line."""

    def keep(_logger: object, _method: str, fields: EventDict) -> EventDict:
        lines.append(dict(fields))
        raise structlog.DropEvent

    processors = [structlog.processors.add_log_level, keep]
    wrapper = structlog.make_filtering_bound_logger("info")
    logger: Logger = structlog.wrap_logger(None, processors=processors, wrapper_class=wrapper).bind()
    return logger


def wait_for(condition: Callable[[], object]) -> None:
    """Returns once it holds; fails when it does not within 10 s."""
    deadline, pause = time.monotonic() + 10, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        pause.wait(0.005)


class Serving:
    """A backend on a free port: `stop` tells it to end, `join` waits until it has."""

    def __init__(self, settings: Settings) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.backend = Backend(self._listener.getsockname()[1])
        app = create_app(settings, logger_into(self.backend.lines))
        config = uvicorn.Config(app, http="httptools", ws="none", lifespan="on", log_config=None, access_log=False)
        self._server = uvicorn.Server(config)
        # The listener takes connections before the server does: requests wait, nobody has to poll for readiness.
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],), name="backend")
        self._thread.start()

    def stop(self) -> None:
        """Finish what is in flight, then end."""
        self._server.should_exit = True

    def join(self) -> None:
        """Fails when it does not end."""
        self._thread.join(10)
        self._listener.close()
        assert not self._thread.is_alive()
