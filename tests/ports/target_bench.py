"""Two targets for one suite: the tests' own, and the one of this machine with its router and small processes."""

from __future__ import annotations

import http.client
import itertools
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from shipway.core.description.app import App
from shipway.core.experiments.experiment import Experiment
from shipway.core.ports.state import Store
from shipway.core.ports.target import Target
from shipway.core.releases.release import Artifact, Release
from shipway.local.builds.address import Address
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.local.model_tasks.evidence import ModelEvidence
from shipway.local.model_tasks.parameters import FileParameters
from shipway.local.model_tasks.wanted_versions import WantedVersions
from shipway.local.places import Places
from shipway.local.router.meter import Meter
from shipway.local.router.router import Router
from shipway.local.routes import Routes
from shipway.local.sides import Sides
from shipway.local.state.store import Store as LocalStore
from shipway.local.target import LocalTarget
from shipway.local.tasks.processes import ProcessRunner
from shipway.local.tasks.supervisor import Supervisor
from shipway.local.tasks.task_logs import FileTaskLog
from shipway.local.tasks.task_specs import TaskSpecs
from shipway.local.tasks.task_table import FileTaskTable
from shipway.pipeline.loops import Loops
from tests.doubles.target import FakeTarget
from tests.free_ports import free_port

BROKEN = "v6.6"
"""A model version that no task loads."""
ENVIRONMENTS = 20
APP_PY = """
import http.server, json, os, pathlib, sys
if "CRASHES" in os.environ:
    sys.exit("boom: no database")
parameter = pathlib.Path(os.environ["MODEL_VERSION_PARAMETER"].removeprefix("file://"))
served, asked = {}, 0
def follow():
    text = parameter.read_text()
    wanted = json.loads(text) if text.startswith("{") else {"version": text}
    if "v6.6" in (wanted["version"], *wanted.get("split", {})):
        return {"version": "v6.6", "error": "v6.6: broken"}
    served.clear()
    served.update({"split": {}} | wanted)
def sketch(count):
    return {"count": count, "sum": 0.25 * count, "buckets": [[0.25, 0.25, count]] if count else []}
def counted():
    shares = {served["version"]: 100 - sum(served["split"].values()), **served["split"]}
    rest = {"requests": asked, "errors": 0, "latency": sketch(asked), "predictions": sketch(asked)}
    return {"epoch": str(os.getpid()), "shadow": None,
            "variants": [{"version": version, "percent": percent} | rest for version, percent in shares.items()]}
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global asked
        status, body = 200, {}
        if self.path == "/ready":
            pending = follow()
            body = {"status": "ready", "model_version": served.get("version"), "split": served.get("split"), "shadow": None}
            body |= {"pending": pending} if pending else {}
        elif self.path == "/variants":
            status, body = (404, {}) if "MUTE" in os.environ else (200, counted())
        else:
            asked += 1
            status = 500 if "FAILS" in os.environ and self.path != "/probe" else 200
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
BEFORE_PY = 'import os, sys; sys.exit("no such table" if "NO_TABLE" in os.environ else 0)'


class Bench(Protocol):
    """A target, and what stands around it."""

    @property
    def target(self) -> Target: ...

    @property
    def store(self) -> Store: ...

    def release(self, model: str = "v1.0", **quirks: str) -> Release:
        """A recorded release; its tasks have the quirks CRASHES, FAILS, MUTE, its `before_traffic` has NO_TABLE."""

    def ask(self, environment: str, device: str) -> tuple[int, str | None]:
        """A client's request: the status of its answer, and the release that it names."""


def described(ports: list[int], **env: str) -> App:
    """An app of one service with a model, in environments e0, e1, …; `env` is the service's."""
    service = {
        "path": "ml", "command": "python -S -E app.py", "before_traffic": "python -S -E before.py", "env": env,
        "routes": ["/*"], "model": True, "ready": "/ready", "probes": [{"path": "/probe"}], "start_timeout": 60,
    }  # fmt: skip
    place = {"tasks": {"min": 1, "max": 3}, "rollout": {"strategy": "blue_green"}}
    environments = {f"e{n}": {"branch": f"e{n}", "port": port} | place for n, port in enumerate(ports)}
    return App.model_validate(
        {"app": "hello", "services": {"ml": service}, "model": {"name": "m"}, "environments": environments}
    )


@dataclass
class InMemory:
    """The tests' own."""

    store: LocalStore
    target: FakeTarget
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def release(self, model: str = "v1.0", **quirks: str) -> Release:
        app = described(list(range(8000, 8000 + ENVIRONMENTS)), **quirks)
        release = Release(f"r{next(self._numbers)}", "c", app, {"ml": Artifact("ml", "a" * 64, "memory:")}, model, "d")
        self.target.fail_on |= {release.id} if "FAILS" in quirks else set()
        self.target.fail_on |= {f"prepare {release.id}"} if "NO_TABLE" in quirks else set()
        self.target.crash_on |= {release.id} if "CRASHES" in quirks else set()
        self.target.mute |= {release.id} if "MUTE" in quirks else set()
        self.store.put(release.id, release)
        return release

    def ask(self, environment: str, device: str) -> tuple[int, str | None]:
        return self.target.ask(environment, device)


@dataclass
class OnThisMachine:
    """The real one."""

    store: LocalStore
    target: LocalTarget
    tree: Path
    ports: list[int]
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def release(self, model: str = "v1.0", **quirks: str) -> Release:
        artifact = Artifact("ml", "a" * 64, Address(str(self.tree)).text())
        release = Release(f"r{next(self._numbers)}", "c", described(self.ports, **quirks), {"ml": artifact}, model, "d")
        self.store.put(release.id, release)
        return release

    def ask(self, environment: str, device: str) -> tuple[int, str | None]:
        address = urlsplit(self.target.addresses(environment)[0])
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
        try:
            connection.request("GET", "/", headers={"x-device-id": device})
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.getheader("x-shipway-release")
        finally:
            connection.close()


@contextmanager
def in_memory(folder: Path) -> Iterator[Bench]:
    """The tests' own target. Only the suite's clients ask anything."""
    store = LocalStore(folder / "state.db")
    target = FakeTarget(lambda environment: store.get(Experiment, environment))
    target.broken_models, target.arriving = frozenset({BROKEN}), 0
    yield InMemory(store, target)
    store.close()


@contextmanager
def on_this_machine(folder: Path) -> Iterator[Bench]:
    """The real target, with a router for twenty environments. Nothing that it started is left."""
    tree, runtime = folder / "tree", Path(tempfile.mkdtemp(prefix="sw-"))
    tree.mkdir()
    (tree / "app.py").write_text(APP_PY)
    (tree / "before.py").write_text(BEFORE_PY)
    places, store = Places(folder, runtime), LocalStore(folder / "state.db")
    ports = [free_port() for _ in range(ENVIRONMENTS)]
    router = Router(places.state / "router", runtime)
    parameters = FileParameters(places.state / "parameters")
    specs = TaskSpecs(places, PythonEnvironments(places.state / "environments"), router, parameters)
    sides, runner = Sides(store), ProcessRunner(FileTaskLog(places.state / "logs"))
    supervisor = Supervisor(FileTaskTable(places.state / "tasks"), runner, lambda status: target.task_changed(status))  # noqa: PLW0108
    routes = Routes(described(ports), sides, supervisor, router)
    nothing: Any = None
    target = LocalTarget(
        sides, routes, supervisor, runner, router, Meter(router),
        WantedVersions(store, sides, supervisor, parameters, specs), ModelEvidence(sides, supervisor, specs, nothing),
        specs,
    )  # fmt: skip
    stopping = threading.Event()
    target.restore()
    Loops(stopping, lambda: 0.0).start("tasks", "watches tasks", supervisor.look, supervisor.interval, 60.0)
    try:
        yield OnThisMachine(store, target, tree, ports)
    finally:
        target.stop_everything()
        stopping.set()
        store.close()
        shutil.rmtree(runtime)
