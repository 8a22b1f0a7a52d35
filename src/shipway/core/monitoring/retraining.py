"""Whether a drift may start a training: one at a time, and not again before what the last one made can be seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shipway.core.monitoring.watch import span


@dataclass(frozen=True, slots=True)
class Training:
    """A training that was started: its run, when (Unix time), and whether it goes on."""

    run: str
    began: float
    live: bool


def refusal(trainings: Iterable[Training], now: float, cooldown: float) -> str:
    """Why none may start; empty where one may. Trainings that people started count as well."""
    for training in trainings:
        if training.live:
            return f"training {training.run} is under way"
        if now - training.began < cooldown:
            return f"training {training.run} began {span(now - training.began)} ago; the cooldown is {span(cooldown)}"
    return ""
