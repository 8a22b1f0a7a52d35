"""What the tasks of a side have predicted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shipway.core.contract.distribution import Distribution, merged, without


@dataclass(frozen=True, slots=True)
class TaskPredictions:
    """What one task has predicted since its counters began; they start from zero with every `epoch`."""

    task: str
    epoch: str
    predictions: Distribution


def predicted_since(now: Iterable[TaskPredictions], baseline: Iterable[TaskPredictions]) -> Distribution:
    """What the tasks predicted since the baseline; all predictions of a task that is new or restarted since then."""
    before = {(task.task, task.epoch): task.predictions for task in baseline}
    return merged(without(task.predictions, before.get((task.task, task.epoch), Distribution())) for task in now)
