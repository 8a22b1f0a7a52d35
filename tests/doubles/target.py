"""A target in memory: tasks become ready when asked, clients answer as the test says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from shipway.core.errors import Refused, UsageError
from shipway.core.experiments.experiment import Experiment, of_release
from shipway.core.experiments.figures import TaskFigures
from shipway.core.observations.distribution import Distribution
from shipway.core.observations.losses import Losses
from shipway.core.observations.observation import (
    SIDES,
    Lagging,
    Observation,
    ProbeAnswer,
    Side,
    TaskReport,
    Tasks,
    TaskView,
    Traffic,
    other,
)
from shipway.core.observations.predictions import TaskPredictions
from shipway.core.ports import Pace, Target, Tell
from shipway.core.releases.release import Release
from shipway.core.verdicts.lately import Lately, SeenLately

Place = tuple[str, Side]
QUICK = Pace(look=0.005, read_back=0.05, follow=0.2, follow_look=0.002, refusal=0.02)


class FakeTarget(Target):
    """Two sides for each environment. `calls` tells what was asked of it to change, in order.

    What a test may set: releases that fail (`fail_on`), crash (`crash_on`) or whose `before_traffic` fails; model
    versions that no task loads (`broken_models`), that predict otherwise or worse; `arriving` requests between two
    looks; `slow` tasks that answer nothing. `at_observe` is called at each look, which waits for `hold`.
    """

    pace = QUICK

    def __init__(self, experiment_in: Callable[[str], Experiment | None] = lambda _: None) -> None:
        self.experiment_in = experiment_in
        self.calls: list[tuple[object, ...]] = []
        self.running: dict[Place, tuple[str, int]] = {}
        self.weights: dict[str, tuple[Side, int]] = {}
        self.labels: dict[Place, str] = {}
        self.texts: list[str] = []
        self.told: dict[str, TaskFigures] = {}
        self.arriving = 100
        self.latencies: tuple[float, ...] = (0.005,) * 50
        self.fail_on: frozenset[str] = frozenset()
        self.crash_on: frozenset[str] = frozenset()
        self.broken_models: frozenset[str] = frozenset()
        self.shifted_models: frozenset[str] = frozenset()
        self.lossy_models: frozenset[str] = frozenset()
        self.predicts = True
        self.slow = False
        self.reported: str | None = None
        self.at_observe: Callable[[], None] = lambda: None
        self.blind = False
        self.hold = threading.Event()
        self.hold.set()
        self._recorded: dict[Place, Release] = {}
        self._wanted: dict[Place, str] = {}
        self._served: dict[Place, Experiment] = {}
        self._traffic: dict[Place, tuple[int, int]] = {}

    @property
    def models(self) -> dict[Place, str | None]:
        """The model version that each side's tasks answer with."""
        return {place: self._model_on(place) for place in self._recorded}

    def restart(self, environment: str, side: Side) -> None:
        """Its tasks come back, with their release's own model version until they have loaded the others."""
        self._served[environment, side] = Experiment(environment, self._recorded[environment, side].model_version or "")

    # -- moving an environment -----------------------------------------------------------------------------------

    def prepare(self, environment: str, side: Side, release: Release) -> None:
        self.calls.append(("prepare", environment, side, release.id))
        self._recorded[environment, side] = release
        self._tell(environment, side)
        self.labels[environment, side] = release.id

    def before_traffic(self, environment: str, side: Side, release: Release, tell: Tell) -> None:
        self.calls.append(("before_traffic", environment, side, release.id))
        if f"prepare {release.id}" in self.fail_on:
            raise Refused("before_traffic failed with exit code 1")

    def scale(self, environment: str, side: Side, release: Release, tasks: int) -> None:
        self.calls.append(("scale", environment, side, release.id, tasks))
        _, before = self.running.get((environment, side), ("", 0))
        self._recorded[environment, side] = release
        self.running[environment, side] = (release.id, max(before, tasks))

    def shift(self, environment: str, candidate: Side, weight: int) -> None:
        self.calls.append(("shift", environment, candidate, weight))
        if not 0 <= weight <= 10_000:
            raise UsageError(f"{weight} is not a weight")
        self.weights[environment] = (candidate, weight)

    def begin_window(self, environment: str) -> None:
        self.calls.append(("begin_window", environment))

    def retire(self, environment: str, side: Side) -> None:
        self.calls.append(("retire", environment, side))
        for held in (self.running, self._recorded, self._wanted, self._served, self.labels):
            held.pop((environment, side), None)  # type: ignore[attr-defined]

    # -- what is seen of it --------------------------------------------------------------------------------------

    def observe(self, environment: str, wanted: Mapping[Side, int]) -> Observation:
        self.hold.wait(10)
        self.at_observe()
        if self.blind:
            raise UsageError("the router does not answer")
        self._let_clients_ask(environment)
        tasks, traffic = {}, {}
        for side in SIDES:
            crashed = self.running.get((environment, side), ("", 0))[0] in self.crash_on
            ready = 0 if crashed else len(self._tasks(environment, side))
            tasks[side] = Tasks(wanted.get(side, 0), ready, "hello exit code 1: boom" if crashed else None)
            requests, failed = self._traffic.get((environment, side), (0, 0))
            traffic[side] = Traffic(requests, failed, self.latencies if requests else (), "e")
        return Observation(time.time(), tasks, traffic)

    def probe(self, environment: str, side: Side, release: Release) -> Sequence[ProbeAnswer]:
        services = release.app.services
        return [
            ProbeAnswer(0.005)
            for service, _ in self._tasks(environment, side)
            for _ in services[service].probes or ("ready",)
        ]

    def read_back(self, environment: str, side: Side) -> Sequence[TaskReport]:
        release = self._recorded.get((environment, side))
        return [
            TaskReport(
                task, service, release.artifacts[service].digest, self._model_of(environment, side, service), True
            )
            for service, task in self._tasks(environment, side)
            if release is not None
        ]

    def predictions(self, environment: str, oldest: float) -> Mapping[Side, tuple[TaskPredictions, ...]]:
        found: dict[Side, tuple[TaskPredictions, ...]] = {"blue": (), "green": ()}
        for side in SIDES:
            if self._tasks(environment, side):
                mean = 0.9 if self._model_on((environment, side)) in self.shifted_models else 0.3
                count = self._traffic.get((environment, side), (0, 0))[0]
                sketch = Distribution(count, count * mean, ((mean - 0.01, mean, count),) if count else ())
                found[side] = (TaskPredictions(f"{side}", "e", sketch),)
        return found if self.predicts else {}

    def losses(self, environment: str, since: float) -> Mapping[Side, Losses]:
        return {
            side: Losses(1000, 300.0 if self._model_on((name, side)) in self.lossy_models else 200.0, 100.0)
            for name, side in self.running
            if name == environment
        }

    # -- model versions of running tasks -------------------------------------------------------------------------

    def take_model(self, environment: str, side: Side, release: Release) -> None:
        self.calls.append(("take_model", environment, side, release.model_version))
        if (environment, side) in self._recorded:
            self._recorded[environment, side] = release
        self._tell(environment, side)

    def assign(self, environment: str) -> None:
        for side in SIDES:
            self._tell(environment, side)

    def lagging(self, environment: str, side: Side | None = None) -> Sequence[Lagging]:
        return [
            Lagging(task, "says no answer") if self.slow else Lagging(task, "refuses: broken", refuses=True)
            for one in ([side] if side else SIDES)
            for _, task in self._tasks(environment, one)
            if (wanted := self._experiment(environment, one)) is not None
            if self.slow or self._follow(environment, one) != wanted
        ]

    def label(self, environment: str, side: Side, release: Release) -> None:
        self.calls.append(("label", environment, side, release.id))
        self.labels[environment, side] = release.id

    def figures(self, environment: str) -> Sequence[TaskFigures]:
        tasks = [task for side in SIDES for _, task in self._tasks(environment, side)]
        return [*self.told.values(), *(TaskFigures(task) for task in tasks if task not in self.told)]

    # -- what people are shown -----------------------------------------------------------------------------------

    def tasks(self, environment: str, side: Side) -> Sequence[TaskView]:
        return [TaskView(task, service, "ready") for service, task in self._tasks(environment, side)]

    def lately(self, environment: str, side: Side, release: Release) -> SeenLately:
        requests, failed = self._traffic.get((environment, side), (0, 0))
        seen = {service: Lately(300.0, requests, failed) for service in release.artifacts}
        return SeenLately(seen, self.latencies if requests else (), "hello 500" if failed else "")

    def addresses(self, environment: str) -> tuple[str, str | None]:
        return f"http://{environment}.example", None

    def is_routing(self) -> bool:
        return not self.blind

    # -- how it does that ----------------------------------------------------------------------------------------

    def _tasks(self, environment: str, side: Side) -> list[tuple[str, str]]:
        """The service and the name of each task."""
        release, count = self._recorded.get((environment, side)), self.running.get((environment, side), ("", 0))[1]
        return [(name, f"{name}-{n}") for name in (release.artifacts if release else ()) for n in range(count)]

    def _let_clients_ask(self, environment: str) -> None:
        candidate, weight = self.weights.get(environment, ("blue", 0))
        for side, share in ((candidate, weight), (other(candidate), 10_000 - weight)):
            if share and self._tasks(environment, side):
                requests, failed = self._traffic.get((environment, side), (0, 0))
                bad = self.running[environment, side][0] in self.fail_on
                self._traffic[environment, side] = (
                    requests + self.arriving, failed + (self.arriving // 2 if bad else 0)
                )  # fmt: skip

    def _experiment(self, environment: str, side: Side) -> Experiment | None:
        release = self._recorded.get((environment, side))
        if release is None or release.model_version is None:
            return None
        return of_release(release.model_version, self.experiment_in(environment))

    def _tell(self, environment: str, side: Side) -> None:
        """Write down what the side's tasks are to answer with; `texts` are the changes."""
        experiment = self._experiment(environment, side)
        if experiment is not None and self._wanted.get((environment, side)) != experiment.text():
            self._wanted[environment, side] = experiment.text()
            self.texts.append(experiment.text())

    def _follow(self, environment: str, side: Side) -> Experiment | None:
        """What the side's tasks answer with once they have tried what they were told."""
        wanted = self._experiment(environment, side)
        if wanted is not None and self._wanted.get((environment, side)) == wanted.text():
            named = {*wanted.shares, *([wanted.shadow.version] if wanted.shadow else [])}
            if not named & self.broken_models:
                self._served[environment, side] = wanted
        return self._served.get((environment, side))

    def _model_on(self, place: Place) -> str | None:
        served = self._follow(*place)
        return served.version if served else None

    def _model_of(self, environment: str, side: Side, service: str) -> str | None:
        release = self._recorded[environment, side]
        baked = release.artifacts[service].model
        return self.reported or (baked.version if baked else self._model_on((environment, side)))
