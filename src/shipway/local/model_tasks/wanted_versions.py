"""Which model versions the tasks of each side should answer with, and whether they do."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from shipway.core.contract.wanted import Wanted
from shipway.core.experiments.experiment import Experiment, of_release
from shipway.core.experiments.figures import TaskFigures
from shipway.core.observations.observation import SIDES, Lagging, Side
from shipway.core.ports.state import Store
from shipway.core.releases.release import Release
from shipway.local.model_tasks.figures import figures_of
from shipway.local.model_tasks.parameters import FileParameters
from shipway.local.sides import Sides
from shipway.local.tasks.supervisor import Supervisor, TaskStatus
from shipway.local.tasks.task_specs import TaskSpecs


@dataclass(frozen=True, slots=True)
class WantedVersions:
    """One parameter for each side, made of its release and of the environment's experiment in the store."""

    store: Store
    sides: Sides
    supervisor: Supervisor
    parameters: FileParameters
    specs: TaskSpecs
    # Held from reading the records until the parameter is written, so that the newest record wins.
    _pointing: threading.Lock = field(default_factory=threading.Lock)

    def assign(self, environment: str) -> None:
        """Tell the tasks of both sides the recorded versions, where these have changed."""
        for side in SIDES:
            with self._pointing:
                release = self.sides.release_on(environment, side)
                if release is not None:
                    self._write(environment, side, release)

    def lagging(self, environment: str, side: Side | None = None) -> Sequence[Lagging]:
        """The serving tasks that answer with other versions than the recorded ones."""
        return [
            task
            for one in ([side] if side else SIDES)
            if (release := self.sides.release_on(environment, one)) is not None
            for task in self._lagging(environment, one, release)
        ]

    def figures(self, environment: str) -> Sequence[TaskFigures]:
        """What each task that takes its model from the bucket has counted."""
        return figures_of(
            [
                task
                for side in SIDES
                if (release := self.sides.release_on(environment, side)) is not None
                for task in self._model_tasks(environment, side, release)
            ]
        )

    def point(self, environment: str, side: Side, release: Release) -> None:
        """Tell the side's tasks, now and later, to answer with the release's model version and its experiment's."""
        with self._pointing:
            self._write(environment, side, release)

    def forget(self, environment: str, side: Side) -> None:
        """Nothing runs on the side any more."""
        with self._pointing:
            self.parameters.delete(self.specs.parameter(environment, side))

    def _lagging(self, environment: str, side: Side, release: Release) -> list[Lagging]:
        """The tasks that serve other versions than the release's and its experiment's."""
        if release.model_version is None:
            return []
        wanted = self._wanted(environment, release.model_version)
        tasks = [self.supervisor.check_now(task.spec.id) for task in self._model_tasks(environment, side, release)]
        return [_report(task) for task in tasks if not _follows(task, wanted)]

    def _write(self, environment: str, side: Side, release: Release) -> None:
        if release.model_version is None:
            return
        name = self.specs.parameter(environment, side)
        text = self._wanted(environment, release.model_version).text()
        if self.parameters.get(name) != text:
            self.parameters.put(name, text)

    def _wanted(self, environment: str, version: str) -> Wanted:
        return of_release(version, self.store.get(Experiment, environment)).wanted

    def _model_tasks(self, environment: str, side: Side, release: Release) -> list[TaskStatus]:
        return [
            task
            for task in self.supervisor.tasks(environment, side)
            if task.serving and _takes_from_bucket(release, task.spec.service)
        ]


def _takes_from_bucket(release: Release, service: str) -> bool:
    described, artifact = release.app.services.get(service), release.artifacts.get(service)
    return described is not None and described.model and artifact is not None and artifact.model is None


def _follows(task: TaskStatus, wanted: Wanted) -> bool:
    body = task.body or {}
    shadow = wanted.shadow.version if wanted.shadow else None
    found = (body.get("model_version"), body.get("split") or {}, body.get("shadow"))
    return found == (wanted.version, dict(wanted.split), shadow)


def _report(task: TaskStatus) -> Lagging:
    body = task.body or {}
    pending = body.get("pending")
    if isinstance(pending, dict) and pending.get("error"):
        return Lagging(task.spec.id, f"refuses: {pending['error']}", refuses=True)
    found = [f"model {body.get('model_version')}", *(f"{k} {body[k]}" for k in ("split", "shadow") if body.get(k))]
    return Lagging(task.spec.id, f"serves {', '.join(found)}" if body else f"says {task.reason}")
