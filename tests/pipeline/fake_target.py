"""A target in memory: tasks become ready when asked, clients answer as the test says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from shipway.core.errors import ShipwayError
from shipway.core.observations.distribution import Distribution
from shipway.core.observations.losses import Losses
from shipway.core.observations.observation import Observation, ProbeAnswer, Side, TaskReport, Tasks, Traffic
from shipway.core.observations.predictions import TaskPredictions
from shipway.core.ports import ModelEvidence, Target, Tell
from shipway.core.releases.release import Release


class FakeTarget(Target, ModelEvidence):
    """Two sides for each environment. `calls` tells what was asked, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.running: dict[tuple[str, Side], tuple[str, int]] = {}
        self.weights: dict[str, tuple[Side, int]] = {}
        self.models: dict[tuple[str, Side], str | None] = {}
        self.requests = 0
        self.latencies: tuple[float, ...] = (0.005,) * 50
        self._releases: dict[str, Release] = {}
        self.fail_on: frozenset[str] = frozenset()
        self.crash_on: frozenset[str] = frozenset()
        self.broken_models: frozenset[str] = frozenset()
        self.shifted_models: frozenset[str] = frozenset()
        self.lossy_models: frozenset[str] = frozenset()
        self.predicts = True
        self.reported: str | None = None
        self.at_observe: Callable[[], None] = lambda: None
        self.blind = False
        self.hold = threading.Event()
        self.hold.set()

    def prepare(self, environment: str, side: Side, release: Release) -> None:
        self.calls.append(("prepare", environment, side, release.id))
        self.models[environment, side] = release.model_version

    def before_traffic(self, environment: str, side: Side, release: Release, tell: Tell) -> None:
        self.calls.append(("before_traffic", environment, side, release.id))
        if f"prepare {release.id}" in self.fail_on:
            raise ShipwayError("before_traffic failed with exit code 1")

    def scale(self, environment: str, side: Side, release: Release, tasks: int) -> None:
        self.calls.append(("scale", environment, side, release.id, tasks))
        self.running[environment, side] = (release.id, tasks)
        self._releases[release.id] = release

    def shift(self, environment: str, candidate: Side, weight: int) -> None:
        self.calls.append(("shift", environment, candidate, weight))
        self.weights[environment] = (candidate, weight)

    def observe(self, environment: str, wanted: Mapping[Side, int]) -> Observation:
        self.hold.wait(10)
        self.at_observe()
        if self.blind:
            raise ShipwayError("the router does not answer")
        self.requests += 100
        tasks, traffic = {}, {}
        for side in wanted:
            release, count = self.running.get((environment, side), ("", 0))
            crashed = release in self.crash_on
            tasks[side] = Tasks(wanted[side], 0 if crashed else count, "exit code 1: boom" if crashed else None)
            failed = self.requests // 2 if release in self.fail_on else 0
            traffic[side] = Traffic(self.requests, failed, self.latencies, "e")
        return Observation(time.time(), tasks, traffic)

    def retire(self, environment: str, side: Side) -> None:
        self.calls.append(("retire", environment, side))
        self.running.pop((environment, side), None)

    def begin_window(self, environment: str) -> None:
        self.calls.append(("begin_window", environment))

    def probe(self, environment: str, side: Side, release: Release) -> Sequence[ProbeAnswer]:
        return [ProbeAnswer(0.005)] * 6

    def predictions(self, environment: str, oldest: float) -> Mapping[Side, tuple[TaskPredictions, ...]]:
        found: dict[Side, tuple[TaskPredictions, ...]] = {}
        for (name, side), (_, count) in self.running.items():
            mean = 0.9 if self.models[name, side] in self.shifted_models else 0.3
            sketch = Distribution(self.requests, self.requests * mean, ((mean - 0.01, mean, self.requests),))
            found |= {side: (TaskPredictions(f"{side}", "e", sketch),)} if name == environment and count else {}
        return found if self.predicts else {}

    def losses(self, environment: str, since: float) -> Mapping[Side, Losses]:
        return {
            side: Losses(1000, 300.0 if self.models[name, side] in self.lossy_models else 200.0, 100.0)
            for name, side in self.running
            if name == environment
        }

    def swap_model(self, environment: str, side: Side, release: Release) -> None:
        self.calls.append(("swap", environment, side, release.model_version))
        if release.model_version in self.broken_models:
            raise ShipwayError(f"model {release.model_version} is not served by every task")
        self.models[environment, side] = release.model_version

    def read_back(self, environment: str, side: Side) -> Sequence[TaskReport]:
        id, count = self.running.get((environment, side), ("", 0))
        model = self.reported or self.models.get((environment, side))
        digest = self._releases[id].artifacts["hello"].digest if count else ""
        return [TaskReport(f"hello-{n}", "hello", digest, model, True) for n in range(count)]
