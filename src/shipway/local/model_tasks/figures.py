"""What the tasks of a model service have counted of every version, from `GET /variants` to values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shipway.core.contract import distribution
from shipway.core.experiments.figures import Counters, Figures, ShadowCounters, TaskFigures
from shipway.local.model_tasks.counters import counters_of
from shipway.local.tasks.supervisor import TaskStatus


def figures_of(
    tasks: Sequence[TaskStatus], read: Callable[[Sequence[int]], list[dict[str, Any] | None]] = counters_of
) -> list[TaskFigures]:
    """The figures of each task; empty ones for a task that reports none within a second."""
    answers = read([task.spec.port for task in tasks])
    return [_figures(task.spec.id, answer) for task, answer in zip(tasks, answers, strict=True)]


def _figures(task: str, answer: Mapping[str, Any] | None) -> TaskFigures:
    if answer is None:
        return TaskFigures(task)
    try:
        variants, shadow = answer["variants"], answer["shadow"]
        return TaskFigures(
            task,
            epoch=str(answer["epoch"]),
            shares={str(variant["version"]): _number(variant["percent"]) for variant in variants},
            shadow=None if shadow is None else str(shadow["version"]),
            figures=Figures(
                {str(variant["version"]): _counters(variant) for variant in variants},
                ShadowCounters() if shadow is None else _shadow(shadow),
            ),
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        # A service of the app's own that answers something else there: it reports nothing.
        return TaskFigures(task)


def _counters(variant: Mapping[str, Any]) -> Counters:
    return Counters(
        _count(variant["requests"]),
        _count(variant["errors"]),
        distribution.from_json(variant["latency"]),
        distribution.from_json(variant["predictions"]),
    )


def _shadow(shadow: Mapping[str, Any]) -> ShadowCounters:
    return ShadowCounters(
        compared=_count(shadow["compared"]),
        disagreements=_count(shadow["disagreements"]),
        failed=_count(shadow["failed"]),
        dropped=_count(shadow["dropped"]),
        difference_sum=_number(shadow["difference_sum"]),
        largest_difference=_number(shadow["largest_difference"]),
        predictions=distribution.from_json(shadow["predictions"]),
        stable_predictions=distribution.from_json(shadow["stable_predictions"]),
    )


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("not a count")
    return value


def _number(value: object) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):  # type: ignore[arg-type]
        raise ValueError("not a number")
    return float(value)  # type: ignore[arg-type]
