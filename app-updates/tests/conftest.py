"""A task of the service in the tests' own process, on a port of this machine, with a clock that tests turn."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from sqlalchemy import Engine

from app_updates.app import create_app
from app_updates.databases import engine_for
from app_updates.following import Follower, follower_of
from app_updates.settings import read_settings
from app_updates.signing import SigningKey
from app_updates.store import Store
from app_updates.tables import metadata
from tests.bundles import Bucket

START = 1_785_000_000.0
_BOUND = 30.0


@dataclass
class Clock:
    """Unix time that stands still until it is turned."""

    now: float = START

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Task:
    """A running task."""

    port: int
    clock: Clock
    follower: Follower | None
    store: Store
    host: str = "ota.example"

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """`body` goes out as JSON, unless it is bytes."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_BOUND)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, data, {"host": self.host, **named})
            answer = connection.getresponse()
            return Answer(answer.status, {n.lower(): v for n, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def check_in(self, device: str, running: str = "builtin", native: str = "1.0.0", **more: object) -> Any:
        """What the updater asks when the app comes to the front."""
        said = {
            "device_id": device,
            "version_name": running,
            "version_build": native,
            "version_code": "1",
            "custom_id": "",
        }
        return self.ask("POST", "/ota/updates", {**said, "platform": "android", "is_prod": True, **more}).json()

    def told(self) -> Any:
        return self.ask("GET", "/bundles").json()


@pytest.fixture(scope="session")
def key() -> SigningKey:
    return SigningKey.make()


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    return Bucket(tmp_path)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = engine_for({"DATABASE_URL": f"sqlite:///{tmp_path / 'devices.db'}"})
    with engine.begin() as connection:
        metadata.create_all(connection)
    yield engine
    engine.dispose()


Start = Callable[..., Task]


@pytest.fixture
def start(bucket: Bucket, key: SigningKey, engine: Engine, clock: Clock, tmp_path: Path) -> Iterator[Start]:
    """Starts tasks that share bucket, parameter and database; `variables` are further settings."""
    stops: list[Callable[[], None]] = []

    def begin(*, keyed: bool = True, **variables: str) -> Task:
        given = {"SHIPWAY_ENVIRONMENT": "prod", "CORS_ORIGINS": "https://localhost", **variables}
        if keyed:
            given |= {
                "APP_SIGNING_KEY": key.pem,
                "APP_BUNDLE_PARAMETER": bucket.parameter.as_uri(),
                "APP_BUNDLES_BUCKET": bucket.folder.as_uri(),
            }
        settings = read_settings(given)
        follower = follower_of(settings)
        store = Store(engine_for({"DATABASE_URL": str(engine.url)}), clock, patience=_BOUND)
        context = _serving(uvicorn.Config(create_app(settings, store, follower, clock), log_config=None, lifespan="on"))
        port = context.__enter__()
        stops.append(lambda: context.__exit__(None, None, None))
        return Task(port, clock, follower, store)

    yield begin
    for stop in reversed(stops):
        stop()


@pytest.fixture
def task(start: Start) -> Task:
    return start()


@contextmanager
def _serving(config: uvicorn.Config) -> Iterator[int]:
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        wait_for(lambda: server.started or not thread.is_alive())
        assert server.started
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(_BOUND)
        listening.close()


def wait_for(condition: Callable[[], object], bound: float = _BOUND) -> None:
    """Until the condition holds; fails after `bound` seconds."""
    deadline = time.monotonic() + bound
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come to hold"
        time.sleep(0.005)
