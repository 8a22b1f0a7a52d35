"""Real tasks and real repositories for the tests of the local target."""

from __future__ import annotations

import hashlib
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from shipway.core.observations.observation import Side
from shipway.core.releases.release import Artifact
from shipway.core.tasks import TaskSpec
from shipway.local.builds.address import Address
from shipway.local.tasks.task_logs import FileTaskLog
from tests.git_repository import Repository

TASK = """
import http.server, json, os, pathlib, signal, subprocess, sys
if "CHILD" in os.environ:
    subprocess.Popen([sys.executable, "-S", "-E", "-c", "import time; time.sleep(600)"])
if "IGNORE_TERM" in os.environ:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
print("task", os.environ.get("SHIPWAY_TASK"), "on", os.environ["PORT"], flush=True)
if "EXIT" in os.environ:
    print("boom: no database", flush=True)
    sys.exit(int(os.environ["EXIT"]))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        gate = os.environ.get("GATE")
        ready = gate is None or pathlib.Path(gate).exists()
        body = json.dumps({"status": "ready" if ready else "loading", "model_version": "v1.0"}).encode()
        self.send_response(200 if ready else 503)
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""

MakeSpec = Callable[..., TaskSpec]


class Clock:
    """A clock that moves only when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(tmp_path: Path) -> FileTaskLog:
    """What the test's tasks write."""
    return FileTaskLog(tmp_path / "logs")


@pytest.fixture
def make_spec(tmp_path: Path) -> Iterator[MakeSpec]:
    """Makes specs of a small HTTP task; after the test nothing that carries its mark may run."""
    program = tmp_path / "task.py"
    program.write_text(TASK)
    mark = str(tmp_path)

    def make(
        id: str = "dev-blue-r1-web-0",
        argv: tuple[str, ...] | None = None,
        start_timeout: float = 20.0,
        drain_timeout: float = 5.0,
        side: Side = "blue",
        artifact: str = "a" * 64,
        health_path: str = "",
        **env: str,
    ) -> TaskSpec:
        return TaskSpec(
            id=id,
            environment="dev",
            side=side,
            service="web",
            release="r1",
            artifact=Artifact("web", artifact, Address(str(tmp_path)).text()),
            argv=argv or (sys.executable, "-S", "-E", str(program)),
            env={"SHIPWAY_TASK": id, "TEST_MARK": mark} | env,
            port=0,
            ready_path="/ready",
            start_timeout=start_timeout,
            drain_timeout=drain_timeout,
            health_path=health_path,
        )

    yield make
    left = carrying(mark)
    for process in left:
        process.kill()
    assert [] == left


def carrying(mark: str) -> list[psutil.Process]:
    """The live processes that were started with TEST_MARK=`mark`."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TEST_MARK") == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture
def running(tmp_path: Path) -> Callable[[], list[psutil.Process]]:
    """Answers the live processes of this test's tasks."""
    return lambda: carrying(str(tmp_path))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


@pytest.fixture
def make_wheel(tmp_path: Path) -> Callable[[str, str], str]:
    """Makes a wheel of one module and answers its line in a lock file, so that no test needs a network."""

    def make(name: str, source: str) -> str:
        wheel = tmp_path / f"{name}-1.0-py3-none-any.whl"
        info = f"{name}-1.0.dist-info"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(f"{name}.py", source)
            archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        return f"{name} @ {wheel.as_uri()} \\\n    --hash=sha256:{digest}\n"

    return make
