"""The service as it is started: a real process, real sockets, real signals."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import ROW, Publish, point
from places import Aws, AwsServer

pytestmark = pytest.mark.slow

DEADLINE = 20.0
SOURCE = Path(__file__).parents[1] / "src"
BODY = json.dumps({"instances": [ROW]})


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Task:
    """One running copy of the service."""

    def __init__(self, log: Path, source: Path = SOURCE, **environ: str) -> None:
        self.port, self.log = free_port(), log
        command = [sys.executable, "-m", "ml_model_service", "--host", "127.0.0.1", "--port", str(self.port)]
        environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(source), **environ}
        with log.open("wb") as output:
            self.process = subprocess.Popen(command, env=environ, stdout=output, stderr=subprocess.STDOUT)

    def connect(self) -> http.client.HTTPConnection:
        """A connection, not yet opened."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)

    def ask(self, method: str, path: str, body: str | None = None) -> tuple[int, Any]:
        """Status and content of one request on its own connection."""
        connection = self.connect()
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for the condition, within bounds, also for the process to listen."""
        deadline = time.monotonic() + DEADLINE
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                if condition():
                    return
            assert time.monotonic() < deadline and self.process.poll() is None, self.log.read_text()
            time.sleep(0.01)

    def until_serving(self, version: str) -> None:
        """Wait until /ready names the version."""
        deadline = time.monotonic() + DEADLINE
        found: Any = None
        while time.monotonic() < deadline:
            try:
                found = self.ask("GET", "/ready")
            except ConnectionRefusedError:
                assert self.process.poll() is None, self.log.read_text()
            else:
                if found[1].get("model_version") == version:
                    return
            time.sleep(0.01)
        raise AssertionError(f"{version} never served: {found}\n{self.log.read_text()}")


@pytest.fixture
def bucket(tmp_path: Path, publish: Publish) -> Path:
    """A bucket with v1.0 and v1.1, and `parameter` naming v1.0."""
    for which, version in enumerate(["v1.0", "v1.1"]):
        publish(tmp_path, version, which)
    point(tmp_path / "parameter", "v1.0")
    return tmp_path


@pytest.fixture
def task(bucket: Path) -> Iterator[Task]:
    """A task that serves v1.0."""
    task = Task(bucket / "log", MODEL_BUCKET=str(bucket), MODEL_VERSION_PARAMETER=(bucket / "parameter").as_uri())
    try:
        task.until_serving("v1.0")
        yield task
    finally:
        task.process.kill()
        task.process.wait()


def test_a_swap_under_load_loses_no_request_and_a_stop_finishes_the_last(task: Task, bucket: Path) -> None:
    """Requests during a swap all succeed, and SIGTERM lets the one in flight end before it exits with 0."""
    expected = {
        v: json.loads((bucket / v / "metadata.json").read_text())["golden"][0]["prediction"] for v in ("v1.0", "v1.1")
    }
    answers: list[tuple[int, str, list[float]]] = []
    enough = threading.Event()

    def load() -> None:
        connection = task.connect()
        while not enough.is_set():
            connection.request("POST", "/predict", BODY)
            answer = connection.getresponse()
            content = json.loads(answer.read())
            answers.append((answer.status, content["model_version"], content["predictions"]))
        connection.close()

    client = threading.Thread(target=load)
    client.start()
    try:
        for version in ("v1.1", "v1.0", "v1.1"):
            point(bucket / "parameter", version)
            task.until_serving(version)
    finally:
        enough.set()
        client.join(DEADLINE)
    assert {(200, version, prediction) for version, prediction in expected.items()} == {
        (status, version, prediction) for status, version, (prediction,) in answers
    }

    connection = task.connect()
    connection.putrequest("POST", "/predict")
    connection.putheader("content-length", str(len(BODY)))
    connection.putheader("expect", "100-continue")
    connection.endheaders()
    # said when the application reads the body: from here on the request is in flight
    assert b"HTTP/1.1 100 Continue\r\n\r\n" == connection.sock.recv(25, socket.MSG_WAITALL)
    task.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + DEADLINE
    while "stopping: " not in task.log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    connection.send(BODY.encode())
    answer = connection.getresponse()
    assert [expected["v1.1"]] == json.loads(answer.read())["predictions"]
    connection.close()
    assert 0 == task.process.wait(DEADLINE)


def test_a_stop_under_load_loses_no_request(task: Task) -> None:
    """Each on an open connection is answered, with the word that it was the last; then the port is shut."""
    answered = threading.Barrier(9, timeout=DEADLINE)
    lost: list[str] = []
    last: list[str | None] = []

    def ask() -> None:
        connection = task.connect()
        said = None
        for number in range(100_000):
            try:
                connection.request("POST", "/predict", BODY)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                lost.append(repr(error))
                return
            if number == 20:
                answered.wait()
            if (said := answer.headers["connection"]) is not None:
                break
        last.append(said)
        connection.close()

    clients = [threading.Thread(target=ask) for _ in range(8)]
    for client in clients:
        client.start()
    answered.wait()
    task.process.send_signal(signal.SIGTERM)
    for client in clients:
        client.join(DEADLINE)
    assert ([], ["close"] * 8) == (lost, last)
    assert 0 == task.process.wait(DEADLINE)
    with pytest.raises(ConnectionRefusedError):
        task.ask("GET", "/health")


def test_a_killed_task_leaves_nobody_behind(task: Task) -> None:
    """There is one process: after SIGKILL the port is free at once."""
    children = Path(f"/proc/{task.process.pid}/task/{task.process.pid}/children")
    assert not children.exists() or "" == children.read_text()
    task.process.kill()
    task.process.wait(DEADLINE)
    with pytest.raises(ConnectionRefusedError):
        task.ask("GET", "/health")


def test_a_read_only_copy_serves_its_baked_model(tmp_path: Path, publish: Publish) -> None:
    """Without a bucket the model beside the code serves, and the service writes nothing into its own folder."""
    tree = tmp_path / "tree"
    shutil.copytree(SOURCE, tree / "src", ignore=shutil.ignore_patterns("__pycache__"))
    publish(tree, "models")
    for path in [*tree.rglob("*"), tree]:
        path.chmod(path.stat().st_mode & ~0o222)
    before = sorted(tree.rglob("*"))
    task = Task(tmp_path / "log", tree / "src", PYTHONDONTWRITEBYTECODE="1")
    try:
        task.until_serving("unpublished")
        assert 200 == task.ask("POST", "/ml/predict", BODY)[0]
    finally:
        task.process.terminate()
        code = task.process.wait(DEADLINE)
        for path in [tree, *tree.rglob("*")]:
            path.chmod(path.stat().st_mode | 0o200)
    assert (0, before) == (code, sorted(tree.rglob("*")))


def test_a_data_scientist_s_own_calls_change_the_model(in_aws: Aws, aws: AwsServer, tmp_path: Path) -> None:
    """Objects put and a parameter set with boto3: served without a restart, and what was answered is captured."""
    in_aws.publish("v1.0")
    in_aws.point("none")
    task = Task(tmp_path / "log", TMPDIR=str(tmp_path), ENDPOINT_NAME="ontime-dev", **in_aws.urls, **aws.environ)
    try:
        task.until(lambda: "no version was promoted yet" in str(task.ask("GET", "/ready")[1]))
        assert (503, 200) == (task.ask("GET", "/ready")[0], task.ask("GET", "/health")[0])
        in_aws.point("v1.0")
        task.until_serving("v1.0")
        in_aws.publish("v1.1", 1)
        in_aws.point("v1.1")
        task.until_serving("v1.1")
        status, answer = task.ask("POST", "/predict", BODY)
        expected = json.loads(in_aws.read("v1.1", "metadata.json"))["golden"][0]["prediction"]
        assert (200, "v1.1", [expected]) == (status, answer["model_version"], answer["predictions"])
    finally:
        task.process.terminate()
        code = task.process.wait(DEADLINE)
    ((path, lines),) = in_aws.captured().items()
    assert (0, "ontime-dev/v1-1", 1) == (code, "/".join(path.split("/")[:2]), len(lines))
    assert [] == list(tmp_path.glob("model-versions-*"))


def test_a_bad_setting_ends_with_two(tmp_path: Path) -> None:
    """A parameter address of an unknown kind is said on standard error, with exit code 2."""
    task = Task(tmp_path / "log", MODEL_BUCKET=str(tmp_path), MODEL_VERSION_PARAMETER="ftp://x")
    assert 2 == task.process.wait(DEADLINE)
    assert "allowed is file:///" in task.log.read_text()
