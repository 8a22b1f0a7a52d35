"""A target in memory: tasks become ready when asked, clients answer as the test says."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence

from shipway.core.contract.distribution import Distribution
from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.core.experiments.experiment import Experiment, of_release
from shipway.core.experiments.figures import Figures, TaskFigures
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
from shipway.core.ports.target import Pace, Target
from shipway.core.ports.telling import Tell
from shipway.core.releases.release import Release
from shipway.core.verdicts.lately import Lately, SeenLately

Place = tuple[str, Side]
QUICK = Pace(look=0.001, read_back=0.05, follow=0.2, follow_look=0.002, refusal=0.02)


class FakeTarget(Target):
    """Two sides for each environment. `calls` tells what was asked of it to change, in order.

    What a test may set: releases that fail (`fail_on`), crash (`crash_on`) or whose `before_traffic` fails; model
    versions that no task loads (`broken_models`), that predict otherwise or worse; `arriving` requests between two
    looks; `slow` tasks that answer nothing, and releases whose tasks do not tell what they count (`mute`). `at_observe` is called at each look, which waits for `hold`.
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
        self.mute: frozenset[str] = frozenset()
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
        self._timed: set[Place] = set()

    @property
    def models(self) -> dict[Place, str | None]:
        """The model version that each side's tasks answer with."""
        return {place: self._model_on(place) for place in self._recorded}

    def ask(self, environment: str, device: str) -> tuple[int, str | None]:
        """A device's request: the status of its answer, and the release that it names."""
        candidate, weight = self.weights.get(environment, ("blue", 10_000))
        side = candidate if zlib.crc32(device.encode()) % 10_000 < weight else other(candidate)
        return 500 if self._count(environment, side, 1, 1) else 200, self.labels.get((environment, side))

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
        for name, service in release.app.services.items():
            if service.before_traffic is not None:
                tell(f"{name}: {service.before_traffic}")
        if f"prepare {release.id}" in self.fail_on:
            raise Refused("before_traffic failed with exit code 1")

    def scale(self, environment: str, side: Side, release: Release, tasks: int) -> None:
        self.calls.append(("scale", environment, side, release.id, tasks))
        _, before = self.running.get((environment, side), ("", 0))
        self._recorded[environment, side] = release
        self.running[environment, side] = (release.id, max(before, tasks))
        self._follow(environment, side)

    def shift(self, environment: str, candidate: Side, weight: int) -> None:
        self.calls.append(("shift", environment, candidate, weight))
        if not 0 <= weight <= 10_000:
            raise UsageError(f"{weight} is not a weight")
        self.weights[environment] = (candidate, weight)

    def begin_window(self, environment: str) -> None:
        self.calls.append(("begin_window", environment))
        self._timed -= {(environment, side) for side in SIDES}

    def retire(self, environment: str, side: Side) -> None:
        self.calls.append(("retire", environment, side))
        for held in (self.running, self._recorded, self._wanted, self._served, self.labels):
            held.pop((environment, side), None)  # type: ignore[attr-defined]

    # -- what is seen of it --------------------------------------------------------------------------------------

    def observe(self, environment: str, wanted: Mapping[Side, int]) -> Observation:
        self.hold.wait(10)
        self.at_observe()
        if self.blind:
            raise ShipwayError("the router does not answer")
        self._let_clients_ask(environment)
        tasks, traffic = {}, {}
        for side in SIDES:
            crashed = self.running.get((environment, side), ("", 0))[0] in self.crash_on
            ready = 0 if crashed else len(self._tasks(environment, side))
            tasks[side] = Tasks(wanted.get(side, 0), ready, self._crash(environment, side) if crashed else None)
            requests, failed = self._traffic.get((environment, side), (0, 0))
            timed = (environment, side) in self._timed
            traffic[side] = Traffic(requests, failed, self.latencies if timed else (), "e")
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
        found: dict[Side, tuple[TaskPredictions, ...]] = {}
        for side in SIDES:
            tasks, (requests, _) = self._tasks(environment, side), self._traffic.get((environment, side), (0, 0))
            mean = 0.9 if self._model_on((environment, side)) in self.shifted_models else 0.3
            shares = [len(range(n, requests, len(tasks))) for n in range(len(tasks))]
            found[side] = tuple(
                TaskPredictions(task, "e", Distribution(n, n * mean, ((mean - 0.01, mean, n),) if n else ()))
                for (_, task), n in zip(tasks, shares, strict=True)
            )
        return {} if not self.predicts or self._is_mute(environment) else found

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
        found = []
        for one in [side] if side else SIDES:
            wanted, follows = self._experiment(environment, one), self._follow(environment, one)
            if wanted is None or (follows == wanted and not self.slow):
                continue
            refuses = not self.slow and self._wanted.get((environment, one)) == wanted.wanted.text()
            says = "refuses: broken" if refuses else f"serves model {follows.version if follows else None}"
            found += [
                Lagging(task, "says no answer" if self.slow else says, refuses=refuses)
                for _, task in self._tasks(environment, one)
            ]
        return found

    def label(self, environment: str, side: Side, release: Release) -> None:
        self.calls.append(("label", environment, side, release.id))
        self.labels[environment, side] = release.id

    def figures(self, environment: str) -> Sequence[TaskFigures]:
        tasks = [(side, task) for side in SIDES for _, task in self._tasks(environment, side)]
        return [*self.told.values(), *(self._figures(environment, *task) for task in tasks if task[1] not in self.told)]

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
        return [(name, f"{side}-{name}-{n}") for name in (release.artifacts if release else ()) for n in range(count)]

    def _crash(self, environment: str, side: Side) -> str:
        return f"{next(iter(self._recorded[environment, side].artifacts))} exit code 1: boom"

    def _let_clients_ask(self, environment: str) -> None:
        candidate, weight = self.weights.get(environment, ("blue", 10_000))
        for side, share in ((candidate, weight), (other(candidate), 10_000 - weight)):
            if share and self._tasks(environment, side):
                self._count(environment, side, self.arriving, self.arriving // 2)

    def _count(self, environment: str, side: Side, requests: int, failing: int) -> bool:
        """Count the requests; those that fail do so only where the release does. Whether it does."""
        before, failed = self._traffic.get((environment, side), (0, 0))
        bad = self.running[environment, side][0] in self.fail_on
        self._traffic[environment, side] = (before + requests, failed + failing * bad)
        self._timed |= {(environment, side)} if requests else set()
        return bad

    def _figures(self, environment: str, side: Side, task: str) -> TaskFigures:
        served = self._follow(environment, side)
        if served is None or self.running[environment, side][0] in self.mute:
            return TaskFigures(task)
        return TaskFigures(task, "e", served.shares, served.shadow and served.shadow.version, Figures())

    def _is_mute(self, environment: str) -> bool:
        return any(self.running.get((environment, side), ("", 0))[0] in self.mute for side in SIDES)

    def _experiment(self, environment: str, side: Side) -> Experiment | None:
        release = self._recorded.get((environment, side))
        if release is None or release.model_version is None:
            return None
        return of_release(release.model_version, self.experiment_in(environment))

    def _tell(self, environment: str, side: Side) -> None:
        """Write down what the side's tasks are to answer with; `texts` are the changes."""
        experiment = self._experiment(environment, side)
        if experiment is not None and self._wanted.get((environment, side)) != experiment.wanted.text():
            self._wanted[environment, side] = experiment.wanted.text()
            self.texts.append(experiment.wanted.text())
            if self._tasks(environment, side):
                self._follow(environment, side)

    def _follow(self, environment: str, side: Side) -> Experiment | None:
        """What the side's tasks answer with once they have tried what they were told."""
        wanted = self._experiment(environment, side)
        if wanted is not None and self._wanted.get((environment, side)) == wanted.wanted.text():
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
