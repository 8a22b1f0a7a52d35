"""What the tasks of a model service have counted: `GET /variants`, read, checked and turned into values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from shipway.core.observations.distribution import Bucket, Distribution
from shipway.core.observations.predictions import TaskPredictions
from shipway.local.tasks.readiness import ask
from shipway.local.tasks.supervisor import TaskStatus

PATH = "/variants"
TIMEOUT = 1.0
MAX_BYTES = 4 << 20
_MAX_BUCKETS = 20_000
_pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="variants")


def counters_of(ports: Sequence[int]) -> list[dict[str, Any] | None]:
    """What the task behind each port answers; None where it answers nothing usable within a second."""

    def counters(port: int) -> dict[str, Any] | None:
        answer = ask(port, PATH, TIMEOUT, MAX_BYTES)
        return answer.body if answer.ready else None

    return list(_pool.map(counters, ports))


def predictions_of(counters: Mapping[str, Any] | None, task: str, version: str) -> TaskPredictions | None:
    """What the task predicted with a version; None where it does not report it, or does not serve that version."""
    if counters is None:
        return None
    try:
        variant = next(variant for variant in counters["variants"] if variant["version"] == version)
        return TaskPredictions(task, str(counters["epoch"]), sketch_of(variant["predictions"]))
    except (StopIteration, KeyError, TypeError, ValueError, OverflowError):
        return None


def sketch_of(value: Mapping[str, Any]) -> Distribution:
    """A sketch from its JSON object. Raises ValueError, KeyError or TypeError for anything else."""
    buckets = tuple(_bucket(*bucket) for bucket in value["buckets"])
    # Bounds that were computed may overlap by a rounding error.
    ordered = all(a[0] <= b[0] and a[1] <= b[1] and a[:2] != b[:2] for a, b in itertools.pairwise(buckets))
    count, total = value["count"], float(value["sum"])
    if not ordered or len(buckets) > _MAX_BUCKETS or count != sum(bucket[2] for bucket in buckets):
        raise ValueError("not a sketch")
    if not math.isfinite(total):
        raise ValueError("the sum is no number")
    return Distribution(count, total, buckets)


def _bucket(lower: float, upper: float, count: int) -> Bucket:
    if not (-math.inf < lower <= upper < math.inf) or not isinstance(count, int) or count < 0:
        raise ValueError("not a bucket")
    return float(lower), float(upper), count


def all_predictions(
    tasks: Sequence[tuple[TaskStatus, str]], read: Callable[[Sequence[int]], list[dict[str, Any] | None]] = counters_of
) -> tuple[TaskPredictions, ...] | None:
    """What every task predicted with the version named beside it; None unless all of them report it."""
    answers = read([task.spec.port for task, _ in tasks])
    found = [
        predictions_of(answer, task.spec.id, version) for (task, version), answer in zip(tasks, answers, strict=True)
    ]
    told = tuple(predictions for predictions in found if predictions is not None)
    return told if len(told) == len(tasks) else None
