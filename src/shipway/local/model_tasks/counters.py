"""What the tasks of a model service have counted: `GET /variants`, read, checked and turned into values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from shipway.core.contract import distribution
from shipway.core.observations.predictions import TaskPredictions
from shipway.local.tasks.readiness import ask
from shipway.local.tasks.supervisor import TaskStatus

PATH = "/variants"
TIMEOUT = 1.0
MAX_BYTES = 4 << 20
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
        return TaskPredictions(task, str(counters["epoch"]), distribution.from_json(variant["predictions"]))
    except (StopIteration, KeyError, TypeError, ValueError, OverflowError):
        return None


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
