"""Which model versions the tasks of each side are to answer with, and whether they do."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from shipway.core.experiments.experiment import Trial, of_release
from shipway.core.experiments.figures import TaskFigures
from shipway.core.observations.observation import SIDES, Astray, Side
from shipway.core.ports import Assignments, Store
from shipway.core.releases.release import Release
from shipway.core.rollouts.records import SideRecord
from shipway.local.model_tasks.figures import figures_of
from shipway.local.model_tasks.parameters import FileParameters
from shipway.local.tasks.supervisor import Supervisor, TaskStatus
from shipway.local.tasks.task_specs import TaskSpecs

SERVING = ("ready", "unready")


class LocalAssignments(Assignments):
    """Assignments as one parameter for each side, made of its release and of the environment's trial in the store."""

    def __init__(self, store: Store, supervisor: Supervisor, parameters: FileParameters, specs: TaskSpecs) -> None:
        self._store = store
        self._supervisor = supervisor
        self._parameters = parameters
        self._specs = specs
        # Held from reading what is recorded to writing the parameter, so that the newest record has the last word.
        self._pointing = threading.Lock()

    # -- the port ------------------------------------------------------------------------------------------------

    def assign(self, environment: str) -> None:
        for side in SIDES:
            with self._pointing:
                release = self.release_on(environment, side)
                if release is not None:
                    self._write(environment, side, release)

    def astray(self, environment: str) -> Sequence[Astray]:
        return [
            task
            for side in SIDES
            if (release := self.release_on(environment, side)) is not None
            for task in self.lagging(environment, side, release)
        ]

    def figures(self, environment: str) -> Sequence[TaskFigures]:
        return figures_of(
            [
                task
                for side in SIDES
                if (release := self.release_on(environment, side)) is not None
                for task in self._model_tasks(environment, side, release)
            ]
        )

    # -- what the target needs -----------------------------------------------------------------------------------

    def point(self, environment: str, side: Side, release: Release) -> None:
        """Tell the side's tasks, now and later, to answer with the release's model version and what is tried out."""
        with self._pointing:
            self._write(environment, side, release)

    def forget(self, environment: str, side: Side) -> None:
        """Nothing runs on the side any more."""
        with self._pointing:
            self._parameters.delete(self._specs.parameter(environment, side))

    def lagging(self, environment: str, side: Side, release: Release) -> list[Astray]:
        """The tasks that serve something else than the release's model version and what is tried out beside it."""
        if release.model_version is None:
            return []
        trial = self._trial(environment, release.model_version)
        tasks = [self._supervisor.check_now(task.spec.id) for task in self._model_tasks(environment, side, release)]
        return [_astray(task) for task in tasks if not _follows(task, trial)]

    def release_on(self, environment: str, side: Side) -> Release | None:
        """The release that the side runs or is to run, if any."""
        record = self._store.get(SideRecord, f"{environment}-{side}")
        return self._store.get(Release, record.release) if record else None

    def _write(self, environment: str, side: Side, release: Release) -> None:
        if release.model_version is None:
            return
        name, text = self._specs.parameter(environment, side), self._trial(environment, release.model_version).text()
        if self._parameters.get(name) != text:
            self._parameters.put(name, text)

    def _trial(self, environment: str, version: str) -> Trial:
        return of_release(version, self._store.get(Trial, environment))

    def _model_tasks(self, environment: str, side: Side, release: Release) -> list[TaskStatus]:
        return [
            task
            for task in self._supervisor.tasks(environment, side)
            if task.state in SERVING and _takes_from_bucket(release, task.spec.service)
        ]


def _takes_from_bucket(release: Release, service: str) -> bool:
    described, artifact = release.app.services.get(service), release.artifacts.get(service)
    return described is not None and described.model and artifact is not None and artifact.model is None


def _follows(task: TaskStatus, trial: Trial) -> bool:
    body = task.body or {}
    shadow = trial.shadow.version if trial.shadow else None
    found = (body.get("model_version"), body.get("split") or {}, body.get("shadow"))
    return found == (trial.version, dict(trial.split), shadow)


def _astray(task: TaskStatus) -> Astray:
    body = task.body or {}
    pending = body.get("pending")
    if isinstance(pending, dict) and pending.get("error"):
        return Astray(task.spec.id, f"refuses: {pending['error']}", refuses=True)
    found = [f"model {body.get('model_version')}", *(f"{k} {body[k]}" for k in ("split", "shadow") if body.get(k))]
    return Astray(task.spec.id, f"serves {', '.join(found)}" if body else f"says {task.reason}")
