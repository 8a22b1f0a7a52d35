"""What the router is told of an app: its environments and services, and which tasks take requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from shipway.core.description.app import App
from shipway.core.errors import ShipwayError
from shipway.core.observations.observation import SIDES, Side, other
from shipway.core.rollouts.plan import ALL
from shipway.local.router.router import Router
from shipway.local.router.topology import EnvironmentTopology, ServiceRoutes, Topology
from shipway.local.sides import Sides
from shipway.local.tasks.supervisor import Supervisor, TaskStatus

_PAUSE = 0.05


class Routes:
    """The routes from the router to the tasks. Thread-safe; `app` says which environments and ports there are."""

    def __init__(self, app: App, sides: Sides, supervisor: Supervisor, router: Router) -> None:
        self.app = app
        self._sides = sides
        self._supervisor = supervisor
        self._router = router
        self._lock = threading.RLock()
        self._closed = False
        self._leaving: set[str] = set()

    def has(self, environment: str) -> bool:
        """Whether shipway.yaml has the environment."""
        return environment in self.app.environments

    def go_by(self, app: App) -> None:
        """Use another description's environments and ports from now on; the old ones where the router refuses them."""
        before, self.app = self.app, app
        try:
            self.ensure_running()
        except ShipwayError:
            self.app = before
            raise

    def ensure_running(self) -> None:
        """Have the router run with the app as it is now. Raises ShipwayError as the router does."""
        self._router.ensure_running(self.topology())

    def keep_running(self) -> None:
        """Start the router again if it died, or the holder of its sockets."""
        if not self._closed and not self._router.is_held():
            self.ensure_running()

    def close(self) -> None:
        """Stop the router, and tell it of no more tasks."""
        with self._lock:
            self._closed = True
            self._router.stop()

    @contextmanager
    def held_open(self) -> Iterator[bool]:
        """Whether the routes are open; they are not closed meanwhile."""
        with self._lock:
            yield not self._closed

    def update(self, environment: str, side: Side) -> None:
        """Let the tasks that were ready and answer take traffic; HAProxy checks their health itself."""
        with self._lock:
            if self._closed or not self.has(environment):
                return
            tasks = [task for task in self._supervisor.tasks(environment, side) if task.spec.id not in self._leaving]
            for service in {task.spec.service for task in self._supervisor.tasks(environment, side)}:
                serving = serving_ports([task for task in tasks if task.spec.service == service])
                self._router.set_tasks(environment, side, service, serving)

    def drain(self, environment: str, side: Side, service: str, tasks: Sequence[TaskStatus]) -> bool:
        """Give the service's tasks no new requests; says whether those in flight ended within the drain timeout."""
        ids = {task.spec.id for task in tasks}
        with self._lock:
            self._leaving |= ids
        self.update(environment, side)
        deadline = time.monotonic() + max(task.spec.drain_timeout for task in tasks)
        while any(self._router.in_flight(environment, side, service, id) for id in ids):
            if time.monotonic() > deadline:
                return False
            time.sleep(_PAUSE)
        return True

    def forget(self, environment: str, side: Side, tasks: Sequence[TaskStatus]) -> None:
        """The tasks are gone."""
        with self._lock:
            for task in tasks:
                self._router.forget_task(environment, side, task.spec.service, task.spec.id)
                self._leaving.discard(task.spec.id)

    def gets_clients(self, environment: str, side: Side) -> bool:
        """Whether any device is sent to the side."""
        candidate, weight = self._router.split(environment)
        return weight > 0 if side == candidate else weight < ALL

    def topology(self) -> Topology:
        """What the router should know: this description's environments, and the services of what runs in each."""
        return Topology(tuple(self._environment(name) for name in self.app.environments))

    def _environment(self, name: str) -> EnvironmentTopology:
        environment = self.app.environments[name]
        found = {side: release.app for side in SIDES if (release := self._sides.release_on(name, side)) is not None}
        # A side without a release carries nothing; described like the other one, it needs no reload of its own.
        apps = {side: found.get(side) or found.get(other(side)) or self.app for side in SIDES}
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
            slots=max(app.environments[name].tasks.max for app in (self.app, *found.values())),
        )


def serving_ports(tasks: Sequence[TaskStatus]) -> dict[str, int]:
    """The tasks of one service that take traffic, with their ports; silent tasks only where all are silent."""
    serving = [task for task in tasks if task.serving]
    answering = [task for task in serving if not task.silent]
    return {task.spec.id: task.spec.port for task in answering or serving}


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
            idempotent=service.idempotent,
            origins=service.origins,
        )
        for name, service in sorted(app.services.items())
    )
