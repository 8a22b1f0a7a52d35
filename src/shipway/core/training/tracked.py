"""A training as experiment trackers keep runs: parameters, metrics, tags, artifacts."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from shipway.core.releases.run import Run
from shipway.core.training.steps import StepDone
from shipway.core.training.training_run import TrainingRun

_ENDS = ("low", "high")


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """A training that has ended. `key` names it: whoever exports it again finds it by that.

    `begun` and `ended` are Unix time. `files` and `texts` are artifacts by path: files on this machine, and contents.
    """

    key: str
    experiment: str
    name: str
    status: Literal["FINISHED", "FAILED"]
    begun: float
    ended: float
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


def tracked(
    app: str, run: Run, training: TrainingRun, parameters: Mapping[str, object], found: Mapping[str, Mapping[str, Any]]
) -> TrackedRun:
    """The run without its artifacts. `parameters` are those that shipway.yaml gives; a search's take their place.

    `found` are the files that its steps left, by name, as far as they are there.
    """
    searched = training.search.parameters if training.search is not None else {}
    window = training.window
    months = {"window.begin": window.begin, "window.end": window.end} if window is not None else {}
    own = json.dumps([app, run.id, run.commit, run.created])
    return TrackedRun(
        key=hashlib.sha256(own.encode()).hexdigest()[:32],
        experiment=app,
        name=f"{app} training {run.id}",
        # a verdict is a result, whatever it is
        status="FINISHED" if training.decision is not None and run.status != "failed" else "FAILED",
        begun=run.created,
        ended=run.created if run.ended is None else run.ended,
        parameters={name: str(value) for name, value in {**parameters, **searched, **months}.items()},
        metrics=dict(_metrics(training, found)),
        tags=_tags(run, training),
    )


def _tags(run: Run, training: TrainingRun) -> dict[str, str]:
    prepared = next((step for step in training.steps if step.name == "prepare"), None)
    decision = training.decision
    tags = {
        "commit": run.commit,
        "champion": training.champion or "none",
        "model_version": training.version or "none",
        "asked_by": run.by,
        "why": run.why,
        "run": run.id,
        "status": run.status,
        "gate.verdict": decision.kind if decision is not None else "none",
        "gate.reasons": "; ".join(decision.reasons) if decision is not None else run.reason,
        **(_data(prepared) if prepared is not None else {}),
    }
    return {name: value for name, value in tags.items() if value}


def _data(prepared: StepDone) -> dict[str, str]:
    """The digest of each table, and one of them all: the same months of the same data have the same."""
    own = ("program", "options", "parameters")
    tables = {name: digest for name, digest in prepared.made_of.items() if name not in own}
    whole = hashlib.sha256(json.dumps(tables, sort_keys=True).encode()).hexdigest()
    return {"data.digest": whole, **{f"data.{name}": digest for name, digest in tables.items()}} if tables else {}


def _metrics(training: TrainingRun, found: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, float]]:
    evaluation = found.get("evaluation.json", {})
    for prefix, part in (("", "candidate"), ("champion.", "champion"), ("", "comparison")):
        for name, value in (evaluation.get(part) or {}).items():
            yield from _figure(f"{prefix}{name}", value)
    for name in ("rows", "positives", "days"):
        yield from _figure(name, evaluation.get(name))
    yield from _figure("latency_ratio", found.get("latency.json", {}).get("ratio"))
    if training.search is not None:
        yield from _figure("search.brier", training.search.brier)
        yield from _figure("search.brier_without", training.search.first)
    for name, value in (training.found.bias if training.found is not None else {}).items():
        yield from _figure(f"bias.{name}", value)
    for step in training.steps:
        yield f"seconds.{step.name}", step.seconds


def _figure(name: str, value: Any) -> Iterator[tuple[str, float]]:
    """A number as it is; an interval as its value and its two ends."""
    if isinstance(value, Mapping):
        yield from _figure(name, value.get("value"))
        for end in _ENDS:
            yield from _figure(f"{name}.{end}", value.get(end))
    elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        yield name, float(value)
