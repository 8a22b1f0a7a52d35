"""Everything of the pipeline joined, over a real store and a target and an engine in memory."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from shipway.core.approval import Decision, check_decision
from shipway.core.description import App, Service
from shipway.core.errors import Refused, UsageError
from shipway.core.model_version import ModelVersion
from shipway.core.ports import Builder, Models, Source, Tell
from shipway.core.records import Answer, Run
from shipway.core.release import Artifact, BakedModel, Commit
from shipway.local.store import Store
from shipway.pipeline.control import Control
from shipway.pipeline.rollouts import Rollouts
from shipway.pipeline.runs import Parts, Runs
from tests.pipeline.fake_target import FakeTarget

QUICK = {"strategy": "blue_green", "bake": 0}
DESCRIPTION: dict[str, Any] = {
    "app": "hello",
    "services": {"hello": {"path": "hello", "command": "run", "routes": ["/*"], "model": True}},
    "model": {"name": "m"},
    "environments": {
        "dev": {"branch": "develop", "port": 8081, "tasks": {"min": 1, "max": 1}, "rollout": QUICK},
        "prod": {
            "branch": "main", "after": "dev", "port": 8080, "tasks": {"min": 2, "max": 2}, "rollout": QUICK,
            "approval": {"roles": ["lead"], "expires": 60},
        },
    },
    "roles": {"lead": ["ann"]},
}  # fmt: skip
APP = App.model_validate(DESCRIPTION)


class Repository(Source):
    """Commits are names; each is on main."""

    def resolve(self, revision: str) -> Commit:
        if revision == "unknown" or not revision.strip():
            raise UsageError(f"no commit {revision!r}")
        return Commit(revision, f"subject of {revision}", "ann", "main")

    def current_branch(self) -> str | None:
        return "main"

    def read(self, commit: Commit, path: str) -> bytes:
        return b""

    def uncommitted(self, commit: Commit, paths: Sequence[str]) -> list[str]:
        return [f"{path}/new" for path in paths if commit.id == "dirty"]


class Workshop(Builder):
    """Builds at once; `failing` commits fail their tests."""

    def __init__(self) -> None:
        self.failing: set[str] = set()
        self.baked: BakedModel | None = None

    def build(self, commit: Commit, name: str, service: Service, tell: Tell) -> Artifact:
        if commit.id in self.failing:
            raise Refused(f"{name} failed its tests")
        return Artifact(name, commit.id.ljust(64, "0"), commit.id, "/tree", model=self.baked)


class Registry(Models):
    """Versions v1.0 and v1.1; v6.6 does not match its digest."""

    def __init__(self) -> None:
        self.current = "v1.0"
        self.versions: dict[str, ModelVersion] = {}
        self.baked: tuple[str, Path] | None = None

    def latest(self) -> ModelVersion:
        return self.verified(self.current)

    def verified(self, version: str) -> ModelVersion:
        if version == "v6.6":
            raise Refused("model v6.6: model.txt has another sha256")
        return self.get(version)

    def get(self, version: str) -> ModelVersion:
        unknown = ModelVersion(version, "m", "model.txt", f"digest of {version}", "schema", "", "", "ann", "pending")
        return self.versions.get(version, unknown)

    def latest_name(self) -> str | None:
        return self.current

    def decide(self, version: str, decision: Decision, by: str, why: str, at: float) -> ModelVersion:
        model = self.get(version)
        if model.approval_status != decision:
            check_decision(version, model.approval_status, decision, by, why)  # type: ignore[arg-type]
            model = replace(model, approval_status=decision, approval_by=by, approval_why=why)
        self.versions[version] = model
        return model

    def bake(self, version: str, target: Path) -> ModelVersion:
        self.baked = (version, target)
        return self.verified(version)

    def make_latest(self, version: str, by: str, why: str, at: float) -> None:
        self.current = version


class MemoryEngine:
    """Runs in threads; steps are remembered, so a run that is started again does not repeat them."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._threads: dict[str, threading.Thread] = {}
        self._mail: dict[tuple[str, str], queue.Queue[Any]] = {}
        self.patience: float | None = None

    def start(self, id: str) -> None:
        if id in self._threads:
            return
        durable = _Durable(self, id)
        self._threads[id] = threading.Thread(target=self._runs.carry_out, args=(id, durable))
        self._threads[id].start()

    def answer(self, id: str, environment: str, answer: Answer) -> None:
        self.box(id, f"gate:{environment}").put(asdict(answer))

    def is_over(self, id: str) -> bool:
        return not self._threads[id].is_alive()

    def box(self, id: str, topic: str) -> queue.Queue[Any]:
        return self._mail.setdefault((id, topic), queue.Queue())

    def join(self) -> None:
        for thread in self._threads.values():
            thread.join(20)
            assert not thread.is_alive()


class _Durable:
    def __init__(self, engine: MemoryEngine, id: str) -> None:
        self._engine, self._id = engine, id

    def step(self, name: str, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)

    def receive(self, topic: str, timeout: float) -> Any | None:
        try:
            wait = timeout if self._engine.patience is None else self._engine.patience
            return self._engine.box(self._id, topic).get(timeout=wait)
        except queue.Empty:
            return None


class House:
    """Everything joined, as `wiring` would."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        self.store = Store(folder / "state.db")
        self.target = FakeTarget()
        self.workshop = Workshop()
        self.registry = Registry()
        self.app = self.described = APP
        rollouts = Rollouts(self.store, self.target, self.target, time.time, threading.Event())
        parts = Parts(
            self.store, Repository(), self.workshop, self.registry, rollouts, time.time,
            read_app=lambda _: self.described, operator_app=lambda: self.app, root=folder,
        )  # fmt: skip
        self.runs = Runs(parts)
        self.engine = MemoryEngine(self.runs)
        self.control = Control(parts, self.engine)  # type: ignore[arg-type]
        self.rollouts = rollouts

    def until(self, id: str, *statuses: str) -> Run:
        """The run, once it has one of the statuses."""
        deadline = time.monotonic() + 20
        while (run := self.control.run(id)).status not in statuses:
            assert time.monotonic() < deadline, run
            time.sleep(0.005)
        return run

    def release(self, commit: str) -> Run:
        """The commit, approved, in prod."""
        run = self.control.deploy(commit, None, "bob")
        self.until(run.id, "waiting")
        self.control.answer(run.id, approved=True, who="ann", why="fine")
        return self.until(run.id, "succeeded", "rolled_back", "failed")
