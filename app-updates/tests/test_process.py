"""Tasks as real processes, three over one database as an environment has them."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app_updates.contract.bundles import Offer
from app_updates.signing import SigningKey
from tests.bundles import Bucket
from tests.conftest import wait_for

pytestmark = pytest.mark.slow
SOURCE = Path(__file__).parents[1] / "src"
RATE, DEVICES = 100, 400


@dataclass
class Process:
    """A task, on the port that it was given."""

    process: subprocess.Popen[bytes]
    port: int

    def ready(self) -> bool:
        try:
            return asked(self.port, "GET", "/ready")[0] == 200
        except OSError:
            assert self.process.poll() is None
            return False


def asked(port: int, method: str, path: str, body: object = None) -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


@pytest.fixture
def processes(bucket: Bucket, key: SigningKey, tmp_path: Path) -> Iterator[list[Process]]:
    variables = {
        **os.environ,
        "PYTHONPATH": str(SOURCE),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'devices.db'}",
        "APP_SIGNING_KEY": key.pem,
        "APP_BUNDLE_PARAMETER": bucket.parameter.as_uri(),
        "APP_BUNDLES_BUCKET": bucket.folder.as_uri(),
    }
    subprocess.run([sys.executable, "-m", "app_updates.tables"], env=variables, check=True)
    started = []
    try:
        for _ in range(3):
            port = free_port()
            words = [sys.executable, "-m", "app_updates", "--port", str(port)]
            with (tmp_path / f"log-{port}").open("wb") as output:
                started.append(Process(subprocess.Popen(words, env=variables, stdout=output, stderr=output), port))
        for one in started:
            wait_for(one.ready)
        yield started
    finally:
        for one in started:
            one.process.kill()
            one.process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@dataclass
class Clients:
    """Devices that check in a hundred times a second; a task that does not answer is passed over, as by the router."""

    tasks: list[Process]
    answers: list[tuple[float, object]] = field(default_factory=list)
    failed: list[object] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self, of: int, threads: int) -> None:
        number = of
        began = time.monotonic()
        while not self.stop.wait(max(0.0, began + (number - of) / RATE - time.monotonic())):
            self.check_in(f"d{number % DEVICES}", number)
            number += threads

    def check_in(self, device: str, number: int) -> None:
        said = {"device_id": device, "version_name": "builtin", "version_build": "1.0.0", "version_code": "1"}
        for attempt in range(3):
            try:
                at = time.monotonic()
                status, answer = asked(self.tasks[(number + attempt) % 3].port, "POST", "/ota/updates", said)
            except (OSError, http.client.HTTPException):
                continue
            if status == 200:
                self.answers.append((at, answer.get("version")))
            else:
                self.failed.append((status, answer))
            return
        self.failed.append("no task answered")


def test_offers_stop_within_two_seconds_while_a_task_is_killed(processes: list[Process], bucket: Bucket) -> None:
    """At a hundred check-ins a second; no check-in fails, and every offer is right."""
    good, bad = bucket.put("good"), bucket.put("bad")
    bucket.offer(Offer(stable=good.version, candidate=bad.version, percent=100))
    clients = Clients(processes)
    threads = [threading.Thread(target=clients.run, args=(of, 4)) for of in range(4)]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: [bad.version] * 100 == [version for _, version in clients.answers[-100:]])
        processes[0].process.kill()
        bucket.offer(Offer(stable=good.version, taken_back={bad.version: "bad"}))
        settled = time.monotonic()
        wait_for(lambda: {version for _, version in clients.answers[-100:]} == {good.version})
    finally:
        clients.stop.set()
        for thread in threads:
            thread.join()
    assert [] == clients.failed
    last = max(at for at, version in clients.answers if version == bad.version)
    assert last - settled <= 2
    told = [asked(one.port, "GET", "/bundles")[1] for one in processes[1:]]
    assert told[0] == told[1]


def test_task_ends_with_0_and_a_wrong_setting_with_2(processes: list[Process]) -> None:
    """Being asked to stop is no failure."""
    processes[0].process.send_signal(signal.SIGTERM)
    assert 0 == processes[0].process.wait(30)
    words = [sys.executable, "-m", "app_updates"]
    wrong = {**os.environ, "PYTHONPATH": str(SOURCE), "APP_SIGNING_KEY": "nonsense"}
    done = subprocess.run(words, env=wrong, capture_output=True, text=True, check=False, timeout=30)
    assert 2 == done.returncode
    assert done.stderr.startswith("APP_SIGNING_KEY: ")
    assert "nonsense" not in done.stderr
