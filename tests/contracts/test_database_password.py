"""The backend without a password in its address: it changes under load, on PostgreSQL with TLS, and nobody notices.

Secrets Manager is moto's, behind a port; the programs are the backend's own, each in the part's locked environment.
"""

from __future__ import annotations

import json
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from moto import mock_aws

from tests.contracts.postgres import INSTALLED, Postgres, postgres
from tests.contracts.programs import Program, Service
from tests.waiting import wait_for

pytestmark = pytest.mark.lengthy

pytestmark = pytest.mark.skipif(not INSTALLED, reason="PostgreSQL (initdb, postgres) is not installed")

REGION = "us-east-1"
SECRET, MASTER = "/ontime/dev/database/user", "rds!db-master"
MASTER_PASSWORD = "the-masters-password"
FLIGHT = {"origin": "JFK", "destination": "LAX", "carrier": "B6", "departure": "2013-07-04T08:15"}


@dataclass
class SecretsManager:
    """moto's, for programs of other environments: what they ask is asked of moto in this process."""

    url: str
    client: Any

    def password(self) -> str:
        """The application user's."""
        return str(json.loads(self.client.get_secret_value(SecretId=SECRET)["SecretString"])["password"])


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretsManager]:
    """With the master's secret, and a place for the application's."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():

        class Relay(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                told = requests.post(f"https://secretsmanager.{REGION}.amazonaws.com/", body, headers=headers)
                _reply(self, told.status_code, told.content)

            def log_message(self, *_: object) -> None:
                pass

        with _serving(Relay) as url:
            client = boto3.client("secretsmanager", region_name=REGION)
            login = json.dumps({"username": "master", "password": MASTER_PASSWORD})
            client.create_secret(Name=MASTER, SecretString=login)
            client.create_secret(Name=SECRET)
            yield SecretsManager(url, client)


@pytest.fixture
def model() -> Iterator[str]:
    """A model service that knows one answer."""

    class Model(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            _reply(self, 200, b'{"model_version": "v1.0", "predictions": [0.31]}')

        def log_message(self, *_: object) -> None:
            pass

    with _serving(Model) as url:
        yield url


@pytest.fixture
def backend() -> Program:
    return Program("backend-api")


@pytest.fixture
def database() -> Iterator[Postgres]:
    with postgres(MASTER_PASSWORD) as running:
        yield running


@pytest.fixture
def variables(database: Postgres, aws: SecretsManager, model: str) -> dict[str, str]:
    """What a task is told. Connections live for a twentieth of a second, so that some are opened all the time."""
    tls = f"sslmode=verify-full&sslrootcert={database.certificate}"
    return {
        "DATABASE_URL": f"postgresql+asyncpg://ontime@127.0.0.1:{database.port}/postgres?{tls}",
        "DATABASE_SECRET": SECRET, "DATABASE_MASTER_SECRET": MASTER, "DATABASE_RECYCLE": "0.05",
        "AWS_ENDPOINT_URL": aws.url, "AWS_REGION": REGION, "MODEL_SERVICE_URL": model,
        "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_EC2_METADATA_DISABLED": "true",
    }  # fmt: skip


def give_password(backend: Program, variables: dict[str, str]) -> str:
    done = backend.run("-m", "backend_api.database_user", **variables)
    assert 0 == done.returncode, done.stderr
    return done.stdout


def test_the_password_changes_under_load_and_no_request_fails(
    backend: Program, database: Postgres, aws: SecretsManager, variables: dict[str, str], tmp_path: Path
) -> None:
    """While clients ask all the time and connections are opened; no password is in a log, none goes without TLS."""
    assert "ontime has a new password" in give_password(backend, variables)
    passwords = [aws.password()]
    migrated = backend.run("-m", "backend_api.migrate", **variables)
    assert 0 == migrated.returncode, migrated.stderr
    log = tmp_path / "log"
    with backend.serving(["-m", "backend_api"], log, variables, "/ready") as service, Load(service) as load:
        load.until(50)
        give_password(backend, variables)
        passwords.append(aws.password())
        load.until(150)
    assert {200} == set(load.statuses)
    assert 2 == len(set(passwords))
    assert "password authentication failed" in database.log, "no connection met the change"
    assert "SSL enabled" in database.log
    said = log.read_text() + database.log
    assert [] == [password for password in (*passwords, MASTER_PASSWORD) if password in said]


class Load:
    """Four clients that ask for predictions until the end of the block."""

    def __init__(self, service: Service) -> None:
        self._url = f"{service.url}/api/predict"
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(4)]
        self.statuses: Counter[object] = Counter()

    def until(self, more: int) -> None:
        """Wait for so many more answers."""
        enough = self.statuses.total() + more
        wait_for(lambda: self.statuses.total() >= enough, f"{more} more answers")

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(20)

    def _ask(self) -> None:
        request = urllib.request.Request(self._url, json.dumps(FLIGHT).encode())
        while not self._done.wait(0.02):
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:
                    self.statuses[answer.status] += 1
            except urllib.error.HTTPError as error:
                self.statuses[f"{error.code} {error.read()[:300]!r}"] += 1
            except OSError as error:
                self.statuses[repr(error)] += 1


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A server of such handlers on a free port: its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _reply(handler: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
    handler.send_response(status)
    handler.send_header("content-type", "application/x-amz-json-1.1")
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
