"""The process: how it starts, stops, and refuses to start."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from backend import FLIGHT, Backend, wait_for
from standin import Reply, StandIn

SOURCE = Path(__file__).parents[1] / "src"


def environment(**variables: str) -> dict[str, str]:
    """As a target starts a task: hardly anything but what the service needs."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1", **variables}


@contextmanager
def process(tmp_path: Path, **variables: str) -> Iterator[tuple[subprocess.Popen[bytes], Backend]]:
    """`python -m backend_api` on a free port, answering."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "backend_api", "--port", str(port)]
    with (tmp_path / "log").open("wb") as log:
        task = subprocess.Popen(command, env=environment(**variables), stdout=log, stderr=log)
    try:
        backend = Backend(port)
        pause = threading.Event()
        for _ in range(400):
            try:
                backend.call("GET", "/health")
                break
            except OSError:
                assert task.poll() is None, (tmp_path / "log").read_text()
                pause.wait(0.05)
        yield task, backend
    finally:
        task.kill()
        task.wait(10)


@pytest.mark.slow
def test_sigterm_finishes_what_is_in_flight(tmp_path: Path, model: StandIn, database_url: str) -> None:
    """A request that the model service still works on gets its answer, then the process exits with 0."""
    gate = threading.Event()
    model.default = Reply(gate=gate)
    with (
        process(tmp_path, DATABASE_URL=database_url, MODEL_SERVICE_URL=model.url) as (task, backend),
        ThreadPoolExecutor(1) as threads,
    ):
        answer = threads.submit(backend.predict)
        pause = threading.Event()
        while not model.asked:
            assert task.poll() is None
            pause.wait(0.01)
        task.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            task.wait(0.2)
        gate.set()
        assert 200 == answer.result(10).status
        assert 0 == task.wait(10)
    last = (tmp_path / "log").read_text().splitlines()[-1]
    assert '"status":200' in last


@pytest.mark.slow
def test_outcome_outlives_the_task_that_took_it(tmp_path: Path, model: StandIn, migrated: Path) -> None:
    """A task that is killed after its answer, before it could write the label: the next one writes it."""
    (tmp_path / "ontime.db").write_bytes(migrated.read_bytes())
    bucket, phone = tmp_path / "bucket", {"x-device-id": "phone-7"}
    variables = {"DATABASE_URL": f"sqlite:///{tmp_path}/ontime.db", "MODEL_SERVICE_URL": model.url}
    # Without a bucket it cannot write the label, however long the machine takes to kill it.
    with process(tmp_path, **variables) as (task, backend):
        id = backend.call("POST", "/api/predict", FLIGHT, phone).json["id"]
        assert 200 == backend.call("POST", f"/api/predictions/{id}/outcome", {"late": True}, phone).status
        task.kill()
    with process(tmp_path, LABELS=bucket.as_uri(), ENDPOINT_NAME="ontime-test", **variables):
        wait_for(lambda: list(bucket.rglob("[!.]*.jsonl")))
    (path,) = bucket.rglob("[!.]*.jsonl")
    assert f'"eventId":"{id}","source":"device"' in path.read_text()
