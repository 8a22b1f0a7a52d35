"""Everything of the pipeline joined, over a real store, with a target in memory."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from shipway.core.description.app import App
from shipway.core.errors import Refused
from shipway.core.experiments.experiment import Experiment
from shipway.core.releases.release import Release
from shipway.core.releases.run import Run
from shipway.local.features.online_store import OnlineStore
from shipway.local.logs import LocalLogs
from shipway.local.places import Places
from shipway.local.state.store import Store
from shipway.pipeline.desk.desk import PipelineDesk
from shipway.pipeline.engine import Engine
from shipway.pipeline.experiments import Experiments
from shipway.pipeline.offerings import Offerings
from shipway.pipeline.parts import Parts
from shipway.pipeline.rollouts import Rollouts
from shipway.pipeline.runs import Runs
from tests.doubles.builder import FakeBuilder
from tests.doubles.bundles import FakeBundles
from tests.doubles.history import FakeHistory
from tests.doubles.models import FakeModels
from tests.doubles.monitoring import FakeMonitoring
from tests.doubles.reports import FakeReports
from tests.doubles.secrets import FakeSecrets
from tests.doubles.source import FakeSource
from tests.doubles.target import FakeTarget
from tests.doubles.training import FakeSteps
from tests.waiting import wait_for

QUICK = {"strategy": "blue_green", "bake": 0}
DESCRIPTION: dict[str, Any] = {
    "app": "hello",
    "services": {"hello": {"path": "hello", "command": "run", "routes": ["/*"], "model": True}},
    "model": {"name": "m", "training": {"tables": ["flights"]}},
    "features": {
        "weather": {
            "record_id": "airport", "event_time": "at", "ttl": "3650d",
            "types": {"airport": "String", "at": "String", "temp": "Fractional"},
        },
    },
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
PHONE = {
    "path": "phone", "build": "make", "updates": "hello",
    "rollout": {"steps": [10, 50], "step_wait": 0, "guard": {"min_devices": 10}},
}  # fmt: skip
"""An app that devices run, for a description that has one."""


class Killed(BaseException):
    """What a thread of a control plane meets that was killed."""


class MortalStore(Store):
    """A store whose control plane dies: at its `last` write, or when told to. Nothing is written after that."""

    def __init__(self, path: Path, last: int | None = None) -> None:
        self.dead = False
        self.writes = 0
        self._last = last
        super().__init__(path)
        self._db.execute("PRAGMA synchronous=OFF")

    def kill(self) -> None:
        """As `kill -9` does, between two transactions."""
        with self._lock:
            self.dead = True

    def _do(self, statement: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        writes = not statement.startswith(("SELECT", "BEGIN", "ROLLBACK"))
        self.writes += writes
        self.dead |= writes and self.writes == self._last
        if self.dead and statement != "ROLLBACK":
            raise Killed
        return super()._do(statement, values)


class MortalTarget:
    """What a control plane can do to the world while it lives."""

    def __init__(self, target: FakeTarget, store: MortalStore) -> None:
        self._target = target
        self._store = store

    def __getattr__(self, name: str) -> Any:
        if self._store.dead:
            raise Killed
        return getattr(self._target, name)


class House:
    """Everything joined, as `wiring` would. `before` is one that was killed: the world outlives it.

    `last` is the write at which the control plane dies.
    """

    def __init__(self, folder: Path, *, before: House | None = None, last: int | None = None) -> None:
        self.root = folder
        self.store = MortalStore(folder / "state.db", last)
        self.target = before.target if before is not None else FakeTarget()
        self.workshop = before.workshop if before is not None else FakeBuilder()
        self.registry = before.registry if before is not None else FakeModels()
        self.bundles = before.bundles if before is not None else FakeBundles()
        self.monitoring = before.monitoring if before is not None else FakeMonitoring()
        self.source = before.source if before is not None else FakeSource(folder)
        self.secrets = before.secrets if before is not None else FakeSecrets()
        self.steps = before.steps if before is not None else FakeSteps()
        self.app = self.described = before.app if before is not None else APP
        self.stopping = threading.Event()
        self.target.experiment_in = lambda environment: self.store.get(Experiment, environment)
        target: Any = MortalTarget(self.target, self.store)
        rollouts = Rollouts(self.store, target, self.workshop, time.time, self.stopping)
        self.parts = parts = Parts(
            store=self.store, source=self.source, builder=self.workshop, models=self.registry, rollouts=rollouts,
            monitoring=self.monitoring, reports=FakeReports(), secrets=self.secrets, features=OnlineStore(folder), history=FakeHistory(folder),
            training=self.steps, bundles=self.bundles, offerings=Offerings(self.store, self.bundles, time.time),
            clock=time.time,
            read_app=lambda _: self.described, operator_app=lambda: self.app,
        )  # fmt: skip
        self.runs = Runs(parts)
        self.engine = Engine(self._carry_out, self.stopping)
        self.experiments = Experiments(parts, target, self.stopping)
        self.control = PipelineDesk(
            parts, self.engine, target, self.experiments, LocalLogs(Places(folder, folder / "run"))
        )
        self.rollouts = rollouts

    def killed(self) -> House:
        """The next control plane, after `kill -9` of this one; it goes on with what was under way."""
        self.store.kill()
        self.rollouts.bell.ring()
        after = House(self.root, before=self)
        after.control.resume()
        return after

    def _carry_out(self, id: str) -> None:
        with suppress(Killed):
            self.runs.carry_out(id)

    def run(self, id: str) -> Run:
        """The run's record."""
        return self.control.run(id).run

    def all_runs(self) -> Sequence[Run]:
        """Every run, the newest first."""
        return self.control.runs(1000)

    def until(self, id: str, *statuses: str) -> Run:
        """The run, once it has one of the statuses."""

        def there() -> Run | None:
            run = self.run(id)
            assert run.live or run.status in statuses, f"run {id} is {run.status}: {run.reason}"
            return run if run.status in statuses else None

        return wait_for(there, f"run {id} is {' or '.join(statuses)}")

    def served(self, environment: str) -> str:
        """The commit that serves there."""
        release = self.store.get(Release, self.rollouts.record_of(environment).stable or "")
        assert release is not None
        return release.commit

    def reached(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds."""
        wait_for(condition)

    def close(self) -> None:
        """Reject what waits for a person, and see every run end."""
        for run in [] if self.store.dead else self.all_runs():
            while self.run(run.id).live:
                # What has only just begun to wait may find its gate answered before we answer.
                with suppress(Refused):
                    self.control.answer(run.id, approved=False, who="ann", why="end of the test")
                self.rollouts.bell.wait(self.rollouts.bell.heard, 0.02)
        assert self.engine.join(20)
        self.store.close()

    def release(self, commit: str) -> Run:
        """The commit, approved, in prod."""
        run = self.control.deploy(commit, None, "bob")
        self.until(run.id, "waiting")
        self.control.answer(run.id, approved=True, who="ann", why="fine")
        return self.until(run.id, "succeeded", "rolled_back", "failed")
