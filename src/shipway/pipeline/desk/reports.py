"""What a person can ask about trainings and versions as pages, and what other programs take of a training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from shipway.core.desk import ReportDesk, Tell
from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.core.training.steps import BIAS_OUTPUT, StepDone
from shipway.core.training.tracked import TrackedRun, tracked
from shipway.core.training.training_run import TrainingRun
from shipway.core.views.learning import Report, TrainingView
from shipway.pipeline.desk.models import PipelineModels
from shipway.pipeline.desk.training import PipelineTraining
from shipway.pipeline.parts import Parts
from shipway.pipeline.training import settings_of

NEWEST = "newest"
_PACKAGE = "processing/output/package"
_FILES = {
    "evaluation.json": ("evaluate", "processing/output/evaluation"),
    "latency.json": ("evaluate", "processing/output/latency"),
    "tuning.json": ("tune", "processing/output/tuning"),
    "analysis.json": ("bias", BIAS_OUTPUT),
    "constraint_violations.json": ("bias", BIAS_OUTPUT),
    "metadata.json": ("package", _PACKAGE),
}
"""What a training's steps leave for people: file → step, folder."""


class PipelineReports(ReportDesk):
    """The verbs over this pipeline."""

    def __init__(self, parts: Parts, training: PipelineTraining, models: PipelineModels) -> None:
        self._parts = parts
        self._training = training
        self._models = models

    def training(self, id: str, tell: Tell) -> Report:
        return self._parts.reports.page("training", {"training.json": self._told(self._ended(id))}, tell)

    def pair(self, a: str, b: str, tell: Tell) -> Report:
        both = {name: self._told(self._ended(id)) for name, id in (("a", a), ("b", b))}
        return self._parts.reports.page("pair", {"trainings.json": both}, tell)

    def bias(self, id: str, tell: Tell) -> Report:
        view = self._ended(id)
        found, missing = self._found(view.training)
        if "analysis.json" not in found:
            raise _no_bias(view, missing)
        names = ("analysis.json", "constraint_violations.json")
        return self._parts.reports.page("bias", {name: found[name] for name in names if name in found}, tell)

    def card(self, version: str, tell: Tell) -> Report:
        view = self._models.show(version)
        made_by = [one for one in self._parts.store.all(TrainingRun) if one.version == version]
        trained = max(made_by, key=lambda one: int(one.id), default=None)
        told = asdict(replace(view, metadata={})) | {
            "metadata": dict(view.metadata),
            "training": self._told(self._training.show(trained.id)) if trained is not None else None,
        }
        return self._parts.reports.page("version", {"version.json": told}, tell)

    def tracked(self, id: str, tell: Tell) -> TrackedRun:
        view = self._newest() if id == NEWEST else self._ended(id)
        app = self._parts.read_app(self._parts.source.read(self._parts.source.resolve(view.run.commit), "shipway.yaml"))
        found, missing = self._found(view.training)
        for line in missing:
            tell(f"left out: {line}")
        pages = {
            "reports/training.html": self._parts.reports.page("training", {"training.json": self._told(view)}, tell)
        }
        if "analysis.json" in found:
            pages["reports/bias.html"] = self.bias(view.run.id, tell)
        run = tracked(app.app, view.run, view.training, settings_of(app).parameters, found)
        texts = {path: page.html for path, page in pages.items()}
        return replace(run, files=dict(self._files(view.training, found)), texts=texts)

    def _ended(self, id: str) -> TrainingView:
        view = self._training.show(id)
        if view.run.live:
            raise Refused(
                f"training {id} has not ended: it is at {view.run.stage}",
                fix=f"shipway run follow {id}",
                state="nothing changed",
            )
        return view

    def _newest(self) -> TrainingView:
        ended = [view for view in self._training.list(1000) if not view.run.live]
        if not ended:
            raise UsageError("no training has ended yet", fix="shipway train")
        return ended[0]

    def _told(self, view: TrainingView) -> dict[str, Any]:
        """What the program of reports is told of a training."""
        found, missing = self._found(view.training)
        violations = found.get("constraint_violations.json")
        return {
            "run": asdict(view.run),
            "training": asdict(view.training),
            "evaluation": found.get("evaluation.json"),
            "latency": found.get("latency.json"),
            "tuning": found.get("tuning.json"),
            "analysis": found.get("analysis.json"),
            "violations": violations["violations"] if violations is not None else None,
            "missing": missing,
        }

    def _found(self, training: TrainingRun) -> tuple[dict[str, Mapping[str, Any]], list[str]]:
        """The files that its steps left, by name; and of those that are not there any more, why."""
        found: dict[str, Mapping[str, Any]] = {}
        missing = []
        for step, name, path in self._left(training):
            try:
                found[name] = self._parts.training.read(step, path)
            except ShipwayError as error:
                missing.append(f"{name} of the step {step.name}: {error.what}")
        return found, missing

    def _files(self, training: TrainingRun, found: Mapping[str, object]) -> Iterator[tuple[str, str]]:
        """Artifacts by path: the model, and what its steps left."""
        for step in training.steps:
            for path in step.outputs if step.name == "train" else ():
                if path.startswith("model/"):
                    yield path, self._parts.training.folder(step, path)
        for step, name, path in self._left(training):
            if name in found:
                yield (
                    name if name == "metadata.json" else f"{step.name}/{name}",
                    self._parts.training.folder(step, path),
                )

    def _left(self, training: TrainingRun) -> Iterator[tuple[StepDone, str, str]]:
        """Step, name and path of each file that there should be."""
        steps = {step.name: step for step in training.steps}
        for name, (step, folder) in _FILES.items():
            path = f"{folder}/{name}"
            if step in steps and path in steps[step].outputs:
                yield steps[step], name, path


def _no_bias(view: TrainingView, missing: Sequence[str]) -> Refused:
    """Why a training says nothing of groups."""
    if missing:
        why, fix = missing[0], "shipway train, which makes it again"
    elif view.training.decision is None:
        why, fix = f"it ended at {view.run.stage}, before that step", f"shipway train report {view.run.id}"
    else:
        why = "it had no step `bias`"
        fix = "name groups under `model.training.facets` in shipway.yaml, commit, then shipway train"
    return Refused(f"training {view.run.id} says nothing of groups: {why}", fix=fix, state="nothing changed")
