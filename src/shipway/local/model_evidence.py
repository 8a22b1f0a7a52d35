"""What speaks for or against the models that two sides serve: the tasks' own counts, and captured predictions' labels."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from shipway.core.losses import Losses
from shipway.core.observation import SIDES, Side
from shipway.core.ports import ModelEvidence, Store
from shipway.core.records import SideRecord
from shipway.core.release import Release
from shipway.core.sketch import TaskPredictions
from shipway.local.supervisor import Supervisor
from shipway.local.task_specs import TaskSpecs
from shipway.local.variant_counters import all_predictions

LOSSES_AGE = 10.0
_SERVING = ("ready", "unready")
LossReader = Callable[[Path, str, Collection[str], float, float], Mapping[str, Losses]]
"""(bucket, endpoint, variants, since, until) → each variant's losses."""


class LocalModelEvidence(ModelEvidence):
    """Asks the tasks' `/variants`, and reads the folder that a service's `CAPTURE` and `ENDPOINT_NAME` name."""

    def __init__(self, store: Store, supervisor: Supervisor, specs: TaskSpecs, read_losses: LossReader) -> None:
        self._store = store
        self._supervisor = supervisor
        self._specs = specs
        self._read_losses = read_losses
        self._predictions: dict[str, tuple[float, Mapping[Side, tuple[TaskPredictions, ...]]]] = {}
        self._losses: dict[tuple[str, float], tuple[float, Mapping[Side, Losses]]] = {}

    def predictions(self, environment: str, oldest: float) -> Mapping[Side, tuple[TaskPredictions, ...]]:
        read_at, known = self._predictions.get(environment, (-math.inf, {}))
        if time.monotonic() - read_at <= oldest:
            return known
        found = {side: told for side in SIDES if (told := self._predictions_on(environment, side)) is not None}
        whole = found if len(found) == len(SIDES) else {}
        self._predictions[environment] = (time.monotonic(), whole)
        return whole

    def losses(self, environment: str, since: float) -> Mapping[Side, Losses]:
        read_at, known = self._losses.get((environment, since), (-math.inf, {}))
        if time.monotonic() - read_at <= LOSSES_AGE:
            return known
        found: dict[Side, Losses] = {}
        for side in SIDES:
            release = self._release_on(environment, side)
            for service in release.artifacts if release is not None else ():
                if release is not None and (losses := self._losses_of(environment, release, service, since)):
                    found[side] = losses
        self._losses = {(environment, since): (time.monotonic(), found)}
        return found

    def _losses_of(self, environment: str, release: Release, service: str, since: float) -> Losses | None:
        version, captured = release.model_of(service), self._specs.capture(environment, release, service)
        if version is None or captured is None:
            return None
        address, endpoint = captured
        variant = version.replace(".", "-")  # SageMaker allows no dots in a variant's name
        folder = Path(unquote(urlsplit(address).path))
        return self._read_losses(folder, endpoint, [variant], since, time.time()).get(variant)

    def _predictions_on(self, environment: str, side: Side) -> tuple[TaskPredictions, ...] | None:
        release = self._release_on(environment, side)
        tasks = self._supervisor.tasks(environment, side) if release is not None else []
        return all_predictions(
            [
                (task, version)
                for task in tasks
                if task.state in _SERVING and release and (version := release.model_of(task.spec.service)) is not None
            ]
        )

    def _release_on(self, environment: str, side: Side) -> Release | None:
        record = self._store.get(SideRecord, f"{environment}-{side}")
        return self._store.get(Release, record.release) if record else None
