"""The evidence for the models that two sides serve: the tasks' own counts, and the labels of captured predictions."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shipway.core.observations.losses import Losses
from shipway.core.observations.observation import SIDES, Side
from shipway.core.observations.predictions import TaskPredictions
from shipway.local.model_tasks.counters import all_predictions
from shipway.local.sides import Sides
from shipway.local.tasks.supervisor import Supervisor
from shipway.local.tasks.task_specs import TaskSpecs

LOSSES_AGE = 10.0
"""Seconds from the end of one reading to the next."""
_Capture = tuple[Path, str, str]
"""Bucket, endpoint, variant."""
LossReader = Callable[[Path, str, Collection[str], float, float], Mapping[str, Losses]]
"""(bucket, endpoint, variants, since, until) → each variant's losses."""


@dataclass
class _Reading:
    """The losses since a rollout's start, as far as they have been read."""

    since: float
    thread: threading.Thread | None = None
    ended: float = -math.inf
    found: Mapping[Side, Losses] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelEvidence:
    """Asks the tasks' `/variants`, and reads the folder that a service's `CAPTURE` and `ENDPOINT_NAME` name."""

    sides: Sides
    supervisor: Supervisor
    specs: TaskSpecs
    read_losses: LossReader
    _predictions: dict[str, tuple[float, Mapping[Side, tuple[TaskPredictions, ...]]]] = field(default_factory=dict)
    _readings: dict[str, _Reading] = field(default_factory=dict)

    def predictions(self, environment: str, oldest: float) -> Mapping[Side, tuple[TaskPredictions, ...]]:
        """What the tasks of both sides predicted, read at most `oldest` seconds ago; empty unless all report it."""
        read_at, known = self._predictions.get(environment, (-math.inf, {}))
        if time.monotonic() - read_at <= oldest:
            return known
        found = {side: told for side in SIDES if (told := self._predictions_on(environment, side)) is not None}
        whole = found if len(found) == len(SIDES) else {}
        self._predictions[environment] = (time.monotonic(), whole)
        return whole

    def losses(self, environment: str, since: float) -> Mapping[Side, Losses]:
        """What was read so far. A thread reads, because the caller decides about rollbacks and can't wait."""
        reading = self._readings.get(environment)
        if reading is None or reading.since != since:
            reading = self._readings[environment] = _Reading(since)
        if reading.thread is None and time.monotonic() - reading.ended > LOSSES_AGE:
            captures = {side: self._captures(environment, side) for side in SIDES}
            reading.thread = threading.Thread(target=self._read, args=(reading, captures), name="losses", daemon=True)
            reading.thread.start()
        return reading.found

    def _read(self, reading: _Reading, captures: Mapping[Side, set[_Capture]]) -> None:
        try:
            # Where both sides write to one place, their predictions cannot be told apart.
            shared = captures["blue"] & captures["green"]
            reading.found = {side: self._read_all(captures[side] - shared, reading.since) for side in SIDES}
        finally:
            reading.ended, reading.thread = time.monotonic(), None

    def _read_all(self, captures: set[_Capture], since: float) -> Losses:
        read = (
            self.read_losses(bucket, endpoint, [variant], since, time.time()) for bucket, endpoint, variant in captures
        )
        return sum((losses for found in read for losses in found.values()), Losses())

    def _captures(self, environment: str, side: Side) -> set[_Capture]:
        """Where the side's services capture what their models predict; two of them may do so in one place."""
        release = self.sides.release_on(environment, side)
        found = set()
        for service in release.artifacts if release is not None else ():
            assert release is not None
            version, captured = release.model_of(service), self.specs.capture(environment, release, service)
            if version is not None and captured is not None:
                address, endpoint = captured
                variant = version.replace(".", "-")  # SageMaker allows no dots in a variant's name
                found.add((Path(address.removeprefix("file://")), endpoint, variant))
        return found

    def _predictions_on(self, environment: str, side: Side) -> tuple[TaskPredictions, ...] | None:
        release = self.sides.release_on(environment, side)
        tasks = self.supervisor.tasks(environment, side) if release is not None else []
        return all_predictions(
            [
                (task, version)
                for task in tasks
                if task.serving and release and (version := release.model_of(task.spec.service)) is not None
            ]
        )
