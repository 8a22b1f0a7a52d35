"""The one-machine target: environments made of task processes behind HAProxy."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from shipway.core.description.app import App
from shipway.core.experiments.figures import TaskFigures
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
    other,
)
from shipway.core.observations.predictions import TaskPredictions
from shipway.core.ports.target import Pace, Target
from shipway.core.ports.telling import Tell
from shipway.core.releases.release import Release
from shipway.core.tasks import Runner, TaskSpec
from shipway.core.verdicts.lately import SeenLately
from shipway.local.model_tasks.evidence import ModelEvidence
from shipway.local.model_tasks.wanted_versions import WantedVersions
from shipway.local.router.meter import Meter
from shipway.local.router.router import Router
from shipway.local.routes import Routes
from shipway.local.sides import Sides
from shipway.local.tasks.before_traffic import run_all
from shipway.local.tasks.probes import ask_all
from shipway.local.tasks.supervisor import Supervisor, TaskStatus
from shipway.local.tasks.task_specs import TaskSpecs

RESTORE_PATIENCE = 30.0
CALLERS_PATIENCE = 10.0
_PAUSE = 0.05


@dataclass(frozen=True)
class LocalTarget(Target):
    """Tasks by the supervisor, traffic by the router; what both should look like is in the store."""

    pace = Pace()

    sides: Sides
    routes: Routes
    supervisor: Supervisor
    runner: Runner
    router: Router
    meter: Meter
    versions: WantedVersions
    evidence: ModelEvidence
    specs: TaskSpecs

    # -- moving an environment -----------------------------------------------------------------------------------

    def prepare(self, environment: str, side: Side, release: Release) -> None:
        # The record first: an experiment that is changed from now on finds this side.
        self.sides.expect(environment, side, release, 0)
        self.versions.point(environment, side, release)
        self.routes.ensure_running()
        self.router.name_release(environment, side, release.id)

    def before_traffic(self, environment: str, side: Side, release: Release, tell: Tell) -> None:
        services = [name for name, service in release.app.services.items() if service.before_traffic is not None]
        run_all(services, lambda name: self.specs.run_before_traffic(environment, side, release, name, tell), tell)

    def scale(self, environment: str, side: Side, release: Release, tasks: int) -> None:
        self.sides.expect(environment, side, release, tasks)
        for service in release.app.services:
            with self.routes.held_open() as is_open:
                if not is_open:
                    return
                # Running tasks count, even if they were started for another release: a model swap keeps them.
                running = len(self.supervisor.tasks(environment, side, service))
                numbers = range(running, tasks)
                specs = [self.specs.make(environment, side, release, service, number) for number in numbers]
                self.supervisor.want(specs)
        self.routes.update(environment, side)

    def shift(self, environment: str, candidate: Side, weight: int) -> None:
        self.router.shift(environment, candidate, weight)

    def begin_window(self, environment: str) -> None:
        self.router.forget_latencies(environment)

    def retire(self, environment: str, side: Side) -> None:
        """Callers first: a backend that finishes its last request may still need its model service."""
        statuses = self.supervisor.tasks(environment, side)
        idle: list[TaskStatus] = []
        release = self.sides.release_on(environment, side)
        app = release.app if release is not None else self.routes.app
        for service in _callers_first({task.spec.service for task in statuses}, app):
            tasks = [task for task in statuses if task.spec.service == service]
            if self.routes.drain(environment, side, service, tasks):
                idle += tasks
            else:
                # The services that it calls stay until it has ended.
                self._stop(environment, side, tasks)
        # They get no requests any more, so the order in which they end does not matter.
        self._stop(environment, side, idle)
        self.sides.forget(environment, side)
        self.versions.forget(environment, side)
        if self.routes.has(environment):
            self.router.name_release(environment, side, None)

    # -- observing it --------------------------------------------------------------------------------------------

    def observe(self, environment: str, wanted: Mapping[Side, int]) -> Observation:
        tasks = {}
        for side in SIDES:
            self.routes.update(environment, side)
            statuses = self.supervisor.tasks(environment, side)
            # Each side has the services of its own release: the other one may have more of them, or fewer.
            release = self.sides.release_on(environment, side)
            services = release.app.services if release else {}
            ready = [sum(t.state == "ready" for t in statuses if t.spec.service == name) for name in services]
            crash = next((t for t in statuses if t.state == "crashed"), None)
            reason = f"{crash.spec.service} {crash.reason}" if crash else None
            tasks[side] = Tasks(wanted.get(side, 0), min(ready, default=0), reason)
        return Observation(time.time(), tasks, self.router.traffic(environment))

    def probe(self, environment: str, side: Side, release: Release) -> Sequence[ProbeAnswer]:
        ready = [task for task in self.supervisor.tasks(environment, side) if task.state == "ready"]
        patience = release.app.environments[environment].rollout.guard.max_latency
        services = release.app.services
        return ask_all([(task.spec.port, task.spec.service, services[task.spec.service]) for task in ready], patience)

    def read_back(self, environment: str, side: Side) -> Sequence[TaskReport]:
        statuses = [task for task in self.supervisor.tasks(environment, side) if task.serving]
        fresh = [self.supervisor.check_now(task.spec.id) for task in statuses]
        return [self._report(task) for task in fresh]

    def predictions(self, environment: str, oldest: float) -> Mapping[Side, tuple[TaskPredictions, ...]]:
        return self.evidence.predictions(environment, oldest)

    def losses(self, environment: str, since: float) -> Mapping[Side, Losses]:
        return self.evidence.losses(environment, since)

    # -- model versions of running tasks -------------------------------------------------------------------------

    def take_model(self, environment: str, side: Side, release: Release) -> None:
        record = self.sides.record(environment, side)
        if record is not None:
            self.sides.expect(environment, side, release, record.tasks)
        self.versions.point(environment, side, release)

    def assign(self, environment: str) -> None:
        self.versions.assign(environment)

    def lagging(self, environment: str, side: Side | None = None) -> Sequence[Lagging]:
        return self.versions.lagging(environment, side)

    def label(self, environment: str, side: Side, release: Release) -> None:
        self.router.name_release(environment, side, release.id)

    def figures(self, environment: str) -> Sequence[TaskFigures]:
        return self.versions.figures(environment)

    # -- what people are shown -----------------------------------------------------------------------------------

    def tasks(self, environment: str, side: Side) -> Sequence[TaskView]:
        return [
            TaskView(task.spec.id, task.spec.service, task.state, task.restarts, task.reason or "")
            for task in self.supervisor.tasks(environment, side)
        ]

    def lately(self, environment: str, side: Side, release: Release) -> SeenLately:
        return self.meter.lately(environment, side, release.id, release.artifacts)

    def addresses(self, environment: str) -> tuple[str, str | None]:
        described = self.routes.app.environments[environment]
        https = None if described.https_port is None else f"https://127.0.0.1:{described.https_port}"
        return f"http://127.0.0.1:{described.port}", https

    def is_routing(self) -> bool:
        return self.router.is_running()

    # -- what the daemon asks ------------------------------------------------------------------------------------

    def reload(self, app: App) -> None:
        """Use another description's environments and ports from now on."""
        self.routes.go_by(app)
        self._run_what_is_recorded()

    def restore(self) -> None:
        """After a restart: start every task that should run, and the router.

        A router that still serves goes on. One that must be started waits for the tasks, so that clients are not
        told that there are none; RESTORE_PATIENCE at most, as some tasks may never become ready.
        """
        serves = self.router.is_running()
        if serves:
            self.routes.ensure_running()
        else:
            self.router.plan(self.routes.topology())
        self.supervisor.adopt()
        self._run_what_is_recorded()
        if serves:
            return
        began = time.monotonic()
        while self._waits_for_tasks(time.monotonic() - began):
            self.supervisor.poll()
            time.sleep(_PAUSE)
        for environment in self.routes.app.environments:
            for side in SIDES:
                self.routes.update(environment, side)
        self.routes.ensure_running()

    def settle(self, environment: str, side: Side) -> None:
        """All traffic to `side`; tasks on the other side that no record asks for are ended."""
        if not self.routes.has(environment):
            return
        self.router.shift(environment, side, 10_000)
        if self.sides.record(environment, other(side)) is None:
            self.retire(environment, other(side))

    def task_changed(self, status: TaskStatus) -> None:
        """Tell the router that a task started, ended, or listens on another port."""
        self.routes.update(status.spec.environment, status.spec.side)

    def stop_everything(self) -> None:
        """Stop the router and all tasks; what should run stays recorded for the next start."""
        self.routes.close()
        self.supervisor.stop([task.spec.id for task in self.supervisor.tasks()])

    def _run_what_is_recorded(self) -> None:
        """Start the tasks that should run. An environment that shipway.yaml lacks stays stopped until it is back."""
        tasks = self.supervisor.tasks()
        self.supervisor.stop([task.spec.id for task in tasks if not self.routes.has(task.spec.environment)])
        for record in self.sides.all():
            release = self.sides.release_on(record.environment, record.side)
            if release is not None and self.routes.has(record.environment):
                self.scale(record.environment, record.side, release, record.tasks)

    def _waits_for_tasks(self, seconds: float) -> bool:
        """Whether a task that clients will be sent to is still starting, after so many seconds.

        A task that uses another service may need the router to reach it, and is not waited for as long.
        """
        return any(
            seconds < (CALLERS_PATIENCE if self._uses_others(task.spec) else RESTORE_PATIENCE)
            for task in self.supervisor.tasks()
            if task.state in ("starting", "backing_off", "unready")
            and self.routes.gets_clients(task.spec.environment, task.spec.side)
        )

    def _uses_others(self, spec: TaskSpec) -> bool:
        release = self.sides.release_on(spec.environment, spec.side)
        service = release.app.services.get(spec.service) if release else None
        return service is not None and bool(service.uses)

    def _report(self, task: TaskStatus) -> TaskReport:
        runs = self.runner.runs(task.spec, task.handle) if task.handle is not None else "gone"
        version = (task.body or {}).get("model_version")
        return TaskReport(task.spec.id, task.spec.service, runs, version, task.state == "ready")

    def _stop(self, environment: str, side: Side, tasks: Sequence[TaskStatus]) -> None:
        self.supervisor.stop([task.spec.id for task in tasks])
        self.routes.forget(environment, side, tasks)


def _callers_first(services: set[str], app: App) -> list[str]:
    uses = {name: set(app.services[name].uses) if name in app.services else set() for name in services}
    try:
        order = [name for name in TopologicalSorter(uses).static_order() if name in services]
    except CycleError:
        # Services that call one another have no order; each gets the whole drain timeout.
        return sorted(services)
    return list(reversed(order))
