"""Removes what is not needed any more, by the policy of shipway.yaml, and measures the disk usage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from shipway.core.daemon.disk import Item, Usage
from shipway.core.description.app import App
from shipway.core.events import AuditEntry
from shipway.core.ports.state import Store
from shipway.core.releases.release import Release
from shipway.core.releases.run import Run
from shipway.core.rollouts.records import EnvironmentRecord, RolloutRecord, SideRecord
from shipway.core.rollouts.retention import kept_releases
from shipway.local.state.storage import Needed, Storage, total
from shipway.local.tasks.supervisor import Supervisor
from shipway.local.tasks.task_logs import FileTaskLog
from shipway.local.tasks.task_specs import TaskSpecs

EVERY = 3600.0


class Pruning:
    """The storage of one app. `bundles`: which bundles devices of these environments need; see `Offerings.needed`."""

    def __init__(
        self,
        storage: Storage,
        store: Store,
        supervisor: Supervisor,
        specs: TaskSpecs,
        logs: FileTaskLog,
        app: Callable[[], App],
        bundles: Callable[[Iterable[str], int], set[str]],
    ) -> None:
        self._storage, self._store, self._bundles = storage, store, bundles
        self._supervisor, self._specs, self._logs, self._app = supervisor, specs, logs, app
        self._due = 0.0
        self.usage: Usage | None = None

    def plan(self) -> list[Item]:
        """What may be removed now, oldest first; nothing is touched."""
        policy = self._app().retention
        releases = self._store.all(Release)
        kept = kept_releases(
            policy.releases,
            releases,
            self._store.all(EnvironmentRecord),
            self._store.all(SideRecord),
            self._store.all(RolloutRecord),
            self._store.all(Run),
        )
        staying = [release for release in releases if release.id in kept]
        tasks, devices = self._supervisor.tasks(), self._bundles(self._app().environments, policy.releases)
        needed = Needed(
            tuple(artifact for release in staying for artifact in release.artifacts.values()),
            frozenset({release.app_version for release in staying if release.app_version} | devices),
            frozenset(self._logs.file(task.spec) for task in tasks),
            frozenset(self._captured(staying)),
        )
        running = {task.spec.artifact.digest for task in tasks}
        return [item for item in self._storage.unneeded(policy, needed) if Path(item.path).name not in running]

    def carry_out(self) -> list[Item]:
        """Remove what may go now; what is gone."""
        self._storage.sweep()
        gone = [item for item in self.plan() if self._storage.remove(item)]
        self.measure()
        return gone

    def asked(self, who: str) -> list[Item]:
        """Remove what may go now, because a person wants it."""
        gone = self.carry_out()
        detail = {"bytes": dict(total(gone)), "count": len(gone)}
        self._store.add_audit(AuditEntry(time.time(), who, "prune", None, "", detail))
        return gone

    def measure(self) -> Usage:
        """Count what there is."""
        self.usage = Usage(self._storage.used(), time.time())
        return self.usage

    def tend(self) -> None:
        """Prune and count, once an hour."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + EVERY
            self.carry_out()

    def _captured(self, releases: Sequence[Release]) -> set[Path]:
        found = set()
        for release in releases:
            for environment in release.app.environments:
                for service in release.artifacts:
                    place = self._specs.capture(environment, release, service)
                    if place is not None:
                        found.add(Path(unquote(urlsplit(place[0]).path)) / place[1])
        return found
