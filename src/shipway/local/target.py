"""The one-machine target: environments made of task processes behind HAProxy."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import psutil

from shipway.core.description.app import App
from shipway.core.errors import ShipwayError
from shipway.core.observations.observation import SIDES, Observation, ProbeAnswer, Side, TaskReport, Tasks, other
from shipway.core.ports import Store, Target, Tell
from shipway.core.releases.release import Release
from shipway.core.rollouts.plan import ALL
from shipway.core.rollouts.records import SideRecord
from shipway.local.builds.builder import LocalBuilder
from shipway.local.model_tasks.wanted_versions import SERVING, LocalAssignments
from shipway.local.router.router import Router
from shipway.local.router.topology import EnvironmentTopology, ServiceRoutes, Topology
from shipway.local.tasks.probes import ask_all
from shipway.local.tasks.processes import TaskSpec
from shipway.local.tasks.supervisor import Supervisor, TaskStatus
from shipway.local.tasks.task_specs import TaskSpecs

RESTORE_PATIENCE = 30.0
CALLERS_PATIENCE = 10.0
SWAP_PATIENCE = 30.0
REFUSAL_PATIENCE = 5.0
"""What a task goes on refusing so long is not going to come: the version's files were verified, and are all there."""
_PAUSE = 0.05


class LocalTarget(Target):
    """Tasks by the supervisor, traffic by the router; what both should look like is in the store."""

    def __init__(
        self,
        app: App,
        store: Store,
        builder: LocalBuilder,
        supervisor: Supervisor,
        router: Router,
        assignments: LocalAssignments,
        specs: TaskSpecs,
    ) -> None:
        self._app = app
        self._store = store
        self._builder = builder
        self._supervisor = supervisor
        self._router = router
        self._assignments = assignments
        self._specs = specs
        self._routing = threading.RLock()
        self._closing = False
        self._leaving: set[str] = set()

    # -- the port ------------------------------------------------------------------------------------------------

    def prepare(self, environment: str, side: Side, release: Release) -> None:
        for artifact in release.artifacts.values():
            self._builder.verify(artifact)
        # The record first: whoever changes what is tried out from then on finds this side.
        self._store.put(_key(environment, side), SideRecord(environment, side, release.id, 0))
        self._assignments.point(environment, side, release)
        self._router.ensure_running(self.topology())
        self._router.name_release(environment, side, release.id)

    def before_traffic(self, environment: str, side: Side, release: Release, tell: Tell) -> None:
        for name, service in release.app.services.items():
            if service.before_traffic is not None:
                self._specs.run_before_traffic(environment, side, release, name, tell)

    def scale(self, environment: str, side: Side, release: Release, tasks: int) -> None:
        self._store.put(_key(environment, side), SideRecord(environment, side, release.id, tasks))
        for service in release.app.services:
            with self._routing:
                if self._closing:
                    return
                # Those that run count, whatever release they were started for: a model swap keeps them.
                running = len(self._supervisor.tasks(environment, side, service))
                numbers = range(running, tasks)
                specs = [self._specs.make(environment, side, release, service, number) for number in numbers]
                self._supervisor.want(environment, side, service, specs)
        self._route(environment, side)

    def shift(self, environment: str, candidate: Side, weight: int) -> None:
        self._router.shift(environment, candidate, weight)

    def observe(self, environment: str, wanted: Mapping[Side, int]) -> Observation:
        tasks = {}
        for side in SIDES:
            self._route(environment, side)
            statuses = self._supervisor.tasks(environment, side)
            # Each side by the services of its own release: the other one may have more of them, or fewer.
            release = self._assignments.release_on(environment, side)
            services = release.app.services if release else {}
            ready = [sum(t.state == "ready" for t in statuses if t.spec.service == name) for name in services]
            crash = next((t for t in statuses if t.state == "crashed"), None)
            reason = f"{crash.spec.service} {crash.reason}" if crash else None
            tasks[side] = Tasks(wanted.get(side, 0), min(ready, default=0), reason)
        return Observation(time.time(), tasks, self._router.traffic(environment))

    def retire(self, environment: str, side: Side) -> None:
        """Callers first: a backend that still answers its last request may ask its model service."""
        record = self._store.get(SideRecord, _key(environment, side))
        statuses = self._supervisor.tasks(environment, side)
        idle: list[TaskStatus] = []
        for service in self._callers_first({task.spec.service for task in statuses}, record):
            tasks = [task for task in statuses if task.spec.service == service]
            if self._drain(environment, side, service, tasks):
                idle += tasks
            else:
                # What it calls stays until it has ended.
                self._stop(environment, side, tasks)
        # Nobody asks them anything any more, so that the order of their ends does not matter.
        self._stop(environment, side, idle)
        self._store.delete(SideRecord, _key(environment, side))
        self._assignments.forget(environment, side)
        if self._has(environment):
            self._router.name_release(environment, side, None)

    def begin_window(self, environment: str) -> None:
        self._router.forget_latencies(environment)

    def probe(self, environment: str, side: Side, release: Release) -> Sequence[ProbeAnswer]:
        ready = [task for task in self._supervisor.tasks(environment, side) if task.state == "ready"]
        patience = release.app.environments[environment].rollout.guard.max_latency
        services = release.app.services
        return ask_all([(task.spec.port, task.spec.service, services[task.spec.service]) for task in ready], patience)

    def swap_model(self, environment: str, side: Side, release: Release) -> None:
        tasks = self._store.get(SideRecord, _key(environment, side))
        if tasks is not None:
            self._store.put(_key(environment, side), SideRecord(environment, side, release.id, tasks.tasks))
        self._assignments.point(environment, side, release)
        began = accepted = time.monotonic()
        while lagging := self._assignments.lagging(environment, side):
            now = time.monotonic()
            if not any(task.refuses for task in lagging):
                accepted = now
            if now - began > SWAP_PATIENCE or now - accepted > REFUSAL_PATIENCE:
                why = "; ".join(f"{task.task} {task.says}" for task in lagging)
                raise ShipwayError(f"model {release.model_version} is not served by every task of {environment}: {why}")
            time.sleep(_PAUSE)
        self._router.name_release(environment, side, release.id)

    def read_back(self, environment: str, side: Side) -> Sequence[TaskReport]:
        statuses = [task for task in self._supervisor.tasks(environment, side) if task.state in SERVING]
        fresh = [self._supervisor.check_now(task.spec.id) for task in statuses]
        return [_report(task) for task in fresh]

    # -- what the daemon and the status page ask -------------------------------------------------------------------

    def reload(self, app: App) -> None:
        """Use another description's environments and ports from now on."""
        before, self._app = self._app, app
        try:
            self._router.ensure_running(self.topology())
        except ShipwayError:
            self._app = before
            raise
        self._run_what_is_recorded()

    def restore(self) -> None:
        """After a restart: every task that should run, and the router, running.

        A router that still serves goes on. One that must be started waits for the tasks, so that clients meet no
        answer that says there are none; RESTORE_PATIENCE at most, as some of them may never come.
        """
        if self._router.is_running():
            self._router.ensure_running(self.topology())
            self._supervisor.adopt()
            self._run_what_is_recorded()
            return
        self._router.plan(self.topology())
        self._supervisor.adopt()
        self._run_what_is_recorded()
        began = time.monotonic()
        while self._waits_for_tasks(time.monotonic() - began):
            self._supervisor.poll()
            time.sleep(_PAUSE)
        for environment in self._app.environments:
            for side in SIDES:
                self._route(environment, side)
        self._router.ensure_running(self.topology())

    def settle(self, environment: str, side: Side) -> None:
        """All traffic to `side`; what runs on the other one without a record, of a rollout that nobody knows, ends."""
        if not self._has(environment):
            return
        self._router.shift(environment, side, 10_000)
        if self._store.get(SideRecord, _key(environment, other(side))) is None:
            self.retire(environment, other(side))

    def keep_router(self) -> None:
        """Start the router again if it died, or what holds its sockets did."""
        if not self._closing and not self._router.is_held():
            self._router.ensure_running(self.topology())

    def task_changed(self, status: TaskStatus) -> None:
        """Tell the router that a task came, went, or listens elsewhere."""
        self._route(status.spec.environment, status.spec.side)

    def stop_everything(self) -> None:
        """Stop the router and all tasks; what should run stays recorded for the next start."""
        with self._routing:
            self._closing = True
            self._router.stop()
        self._supervisor.stop([task.spec.id for task in self._supervisor.tasks()])

    def tasks(self, environment: str, side: Side | None = None) -> list[TaskStatus]:
        """The tasks of an environment."""
        return self._supervisor.tasks(environment, side)

    def router_runs(self) -> bool:
        """Whether the router is up."""
        return self._router.is_running()

    def topology(self) -> Topology:
        """What the router should know: the environments of this description, the services of what runs in each."""
        return Topology(tuple(self._environment_topology(name) for name in self._app.environments))

    # -- the small print -----------------------------------------------------------------------------------------

    def _environment_topology(self, name: str) -> EnvironmentTopology:
        environment = self._app.environments[name]
        found = {
            side: release.app for side in SIDES if (release := self._assignments.release_on(name, side)) is not None
        }
        # A side without a release carries nothing; looking like the other one, it needs no reload of its own.
        apps = {side: found.get(side) or found.get(other(side)) or self._app for side in SIDES}
        blue, green = _services(apps["blue"]), _services(apps["green"])
        return EnvironmentTopology(
            name=name,
            port=environment.port,
            https_port=environment.https_port,
            services=(
                *(service for service in blue if service in green),
                *(replace(service, sides=("blue",)) for service in blue if service not in green),
                *(replace(service, sides=("green",)) for service in green if service not in blue),
            ),
            slots=max(app.environments[name].tasks.max for app in (self._app, *found.values())),
        )

    def _run_what_is_recorded(self) -> None:
        """The tasks that should run, running. Those of an environment that shipway.yaml lacks wait for its return."""
        self._supervisor.stop([t.spec.id for t in self._supervisor.tasks() if not self._has(t.spec.environment)])
        for record in self._store.all(SideRecord):
            release = self._store.get(Release, record.release)
            if release is not None and self._has(record.environment):
                self.scale(record.environment, record.side, release, record.tasks)

    def _waits_for_tasks(self, seconds: float) -> bool:
        """Whether a task that clients are to be sent to is still on its way, after so many seconds.

        One that uses another service may reach it through the router alone, and is not waited for as long.
        """
        return any(
            seconds < (CALLERS_PATIENCE if self._uses_others(task.spec) else RESTORE_PATIENCE)
            for task in self._supervisor.tasks()
            if task.state in ("starting", "backing_off", "unready")
            and self._gets_clients(task.spec.environment, task.spec.side)
        )

    def _uses_others(self, spec: TaskSpec) -> bool:
        release = self._assignments.release_on(spec.environment, spec.side)
        service = release.app.services.get(spec.service) if release else None
        return service is not None and bool(service.uses)

    def _gets_clients(self, environment: str, side: Side) -> bool:
        candidate, weight = self._router.split(environment)
        return weight > 0 if side == candidate else weight < ALL

    def _has(self, environment: str) -> bool:
        return environment in self._app.environments

    def _route(self, environment: str, side: Side) -> None:
        """The tasks that were ready and answer take traffic; which of them are well, HAProxy checks itself."""
        with self._routing:
            if self._closing or not self._has(environment):
                return
            tasks = [task for task in self._supervisor.tasks(environment, side) if task.spec.id not in self._leaving]
            for service in {task.spec.service for task in self._supervisor.tasks(environment, side)}:
                serving = serving_ports([task for task in tasks if task.spec.service == service])
                self._router.set_tasks(environment, side, service, serving)

    def _drain(self, environment: str, side: Side, service: str, tasks: Sequence[TaskStatus]) -> bool:
        """Give the tasks no new requests; whether those in flight ended within the drain timeout."""
        ids = {task.spec.id for task in tasks}
        with self._routing:
            self._leaving |= ids
        self._route(environment, side)
        deadline = time.monotonic() + max(task.spec.drain_timeout for task in tasks)
        while any(self._router.in_flight(environment, side, service, id) for id in ids):
            if time.monotonic() > deadline:
                return False
            time.sleep(_PAUSE)
        return True

    def _stop(self, environment: str, side: Side, tasks: Sequence[TaskStatus]) -> None:
        self._supervisor.stop([task.spec.id for task in tasks])
        with self._routing:
            for task in tasks:
                self._router.forget_task(environment, side, task.spec.service, task.spec.id)
                self._leaving.discard(task.spec.id)

    def _callers_first(self, services: set[str], record: SideRecord | None) -> list[str]:
        release = self._store.get(Release, record.release) if record else None
        app = release.app if release else self._app
        uses = {name: set(app.services[name].uses) if name in app.services else set() for name in services}
        try:
            order = [name for name in TopologicalSorter(uses).static_order() if name in services]
        except CycleError:
            # Services that call one another have no order; each gets the whole drain timeout.
            return sorted(services)
        return list(reversed(order))


def serving_ports(tasks: Sequence[TaskStatus]) -> dict[str, int]:
    """The tasks of one service that take traffic, with their ports: a silent one only where all are silent."""
    serving = [task for task in tasks if task.state in SERVING]
    answering = [task for task in serving if not task.silent]
    return {task.spec.id: task.spec.port for task in answering or serving}


def _key(environment: str, side: Side) -> str:
    return f"{environment}-{side}"


def _services(app: App) -> tuple[ServiceRoutes, ...]:
    used = {name for service in app.services.values() for name in service.uses}
    return tuple(
        ServiceRoutes(
            name,
            service.routes,
            service.ready,
            internal=name in used,
            check_host=service.check_host,
            answer_timeout=service.answer_timeout,
            largest_body=service.largest_body,
            longest_session=service.longest_session,
        )
        for name, service in sorted(app.services.items())
    )


def _report(task: TaskStatus) -> TaskReport:
    """What a task really runs: the artifact is read off the folder that its process works in."""
    artifact = "unknown"
    try:
        if task.pid is not None and Path(psutil.Process(task.pid).cwd()) == Path(os.path.realpath(task.spec.cwd)):
            artifact = task.spec.artifact_digest
    except psutil.Error:
        artifact = "gone"
    version = (task.body or {}).get("model_version")
    return TaskReport(task.spec.id, task.spec.service, artifact, version, task.state == "ready")
