"""Steps of trainings in memory: what they find is set from outside."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from shipway.core.errors import ShipwayError
from shipway.core.ports.learning import TrainingSteps
from shipway.core.ports.telling import Tell
from shipway.core.training.steps import StepDone, StepOrder

LEFT = {
    "evaluate": (("evaluation", "evaluation.json"), ("latency", "latency.json")),
    "bias": (("bias", "analysis.json"), ("bias", "constraint_violations.json")),
    "tune": (("tuning", "tuning.json"),),
    "package": (("package", "metadata.json"),),
}
"""Step → folder and name of each file that it may leave."""
MODEL = hashlib.sha256(b"a new model").hexdigest()


def evaluation(low: float = -0.003, high: float = -0.001, labels: int = 28_000) -> dict[str, Any]:
    """evaluation.json of a challenger whose Brier score differs by so much."""
    difference = {"value": (low + high) / 2, "low": low, "high": high, "deviation": 0.001}
    return {
        "rows": labels, "positives": labels // 3, "days": 31, "champion_expected": True,
        "candidate": {"calibration_error": 0.03}, "champion": {"version": "v1.0", "calibration_error": 0.03},
        "comparison": {"brier_difference": difference, "error": None},
    }  # fmt: skip


def tuning(jobs: int = 1) -> dict[str, Any]:
    """tuning.json of a search of three trials, whose third is best."""
    trials = [
        {"number": 0, "state": "complete", "parameters": {"leaves": "31"}, "brier": 0.15},
        {"number": 1, "state": "pruned", "parameters": {"leaves": "5"}, "brier": None},
        {"number": 2, "state": "complete", "parameters": {"leaves": "63"}, "brier": 0.14},
    ]
    return {"trials": trials, "first": trials[0], "best": trials[2], "reproducible": jobs == 1}


def analysis(*worse: str) -> dict[str, Mapping[str, Any]]:
    """What the step `bias` leaves: a group's figures, and those that are worse than the baseline's."""
    groups = [{"value_or_threshold": "EWR", "metrics": [{"name": "DPPL", "value": 0.1}]}]
    found = {"note": "about service", "post_training_bias_metrics": {"facets": {"origin": groups}}}
    violations = [
        {"facet": "origin", "facet_value": "EWR", "metric_name": name, "description": "Value 0.3000"} for name in worse
    ]
    return {"analysis.json": found, "constraint_violations.json": {"violations": violations}}


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
        finds = sorted(self.files.items()) if order.name in ("evaluate", "bias", "tune") else []
        digest = hashlib.sha256(repr((order, finds)).encode()).hexdigest()
        if digest in self._done:
            done = self._done[digest]
            return replace(done, reused=True)
        if order.name in self.failing:
            raise ShipwayError(f"{order.name} failed: {self.failing[order.name]}", fix="shipway train")
        tell("working")
        self.ran.append(order)
        outputs = {"model/model.txt": MODEL} if order.name == "train" else self._left(order.name)
        parts = {
            "program": order.artifact.digest,
            "options": repr(order.options),
            "parameters": repr(order.hyperparameters),
        }
        made_of = parts | {name: repr(given) for name, given in order.inputs.items()}
        self._done[digest] = StepDone(order.name, digest, 1.5, False, outputs, made_of)
        return self._done[digest]

    def read(self, done: StepDone, file: str) -> Mapping[str, Any]:
        name = file.rpartition("/")[2]
        if name not in self.files:
            raise ShipwayError(f"{file} cannot be read: it is not there", fix="shipway train makes it again")
        return self.files[name]

    def _left(self, step: str) -> dict[str, str]:
        """The files of a step that there are, each in a folder of the step's outputs."""
        return {
            f"processing/output/{folder}/{name}": hashlib.sha256(repr(self.files[name]).encode()).hexdigest()
            for folder, name in LEFT.get(step, ())
            if name in self.files
        }

    def folder(self, done: StepDone, name: str) -> str:
        return f"/{done.name}/{name}"
