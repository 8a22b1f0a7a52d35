"""Steps of trainings in memory: what they find is set from outside."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from shipway.core.errors import ShipwayError
from shipway.core.ports import Tell, TrainingSteps
from shipway.core.training.steps import StepDone, StepOrder

MODEL = hashlib.sha256(b"a new model").hexdigest()


def evaluation(low: float = -0.003, high: float = -0.001, labels: int = 28_000) -> dict[str, Any]:
    """evaluation.json of a challenger whose Brier score differs by so much."""
    difference = {"value": (low + high) / 2, "low": low, "high": high, "deviation": 0.001}
    return {
        "rows": labels, "positives": labels // 3, "days": 31, "champion_expected": True,
        "candidate": {"calibration_error": 0.03}, "champion": {"version": "v1.0", "calibration_error": 0.03},
        "comparison": {"brier_difference": difference, "error": None},
    }  # fmt: skip


class FakeSteps(TrainingSteps):
    """`files` are what results hold, by name; `failing` steps fail with their reason; `ran` are those carried out."""

    def __init__(self) -> None:
        self.there = ["2013-05", "2013-06", "2013-07"]
        self.files: dict[str, Mapping[str, Any]] = {"evaluation.json": evaluation(), "latency.json": {"ratio": 1.0}}
        self.failing: dict[str, str] = {}
        self.ran: list[StepOrder] = []
        self._done: dict[str, StepDone] = {}

    def months(self, bucket: str, tables: Sequence[str]) -> Sequence[str]:
        return self.there

    def run(self, order: StepOrder, tell: Tell) -> StepDone:
        finds = sorted(self.files.items()) if order.name in ("evaluate", "bias") else []
        digest = hashlib.sha256(repr((order, finds)).encode()).hexdigest()
        if digest in self._done:
            done = self._done[digest]
            return StepDone(done.name, digest, done.seconds, True, done.outputs)
        if order.name in self.failing:
            raise ShipwayError(f"{order.name} failed: {self.failing[order.name]}", fix="shipway train")
        tell("working")
        self.ran.append(order)
        outputs = {"model/model.txt": MODEL} if order.name == "train" else {}
        self._done[digest] = StepDone(order.name, digest, 1.5, False, outputs)
        return self._done[digest]

    def read(self, done: StepDone, file: str) -> Mapping[str, Any]:
        return self.files[file.rpartition("/")[2]]

    def folder(self, done: StepDone, name: str) -> str:
        return f"/{done.name}/{name}"
