"""Records and views of a desk as JSON shapes."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from shipway import __version__
from shipway.core.experiments.report import ExperimentReport
from shipway.core.models.model_version import ModelVersion
from shipway.core.releases.run import Run
from shipway.core.views.environments import EnvironmentView, StatusView
from shipway.core.views.models import Baked, Decided, ModelsView, Promoted
from shipway.core.views.releases import ReleaseView, RunView

_anything: TypeAdapter[Any] = TypeAdapter(Any)
Json = dict[str, Any]


def plain(record: object) -> Any:
    """A record, or several, as JSON values."""
    return _anything.dump_python(record, mode="json")


def run(record: Run) -> Json:
    """A run, with what follows from its status."""
    return {**plain(record), "live": record.live, "exit_code": record.exit_code}


def whole_run(view: RunView) -> Json:
    """A run with its release and rollouts."""
    shown: Json | None = plain(view.release)
    if shown is not None:
        del shown["serves"]
    return {"run": run(view.run), "release": shown, "rollouts": plain(view.rollouts)}


def status(view: StatusView) -> Json:
    """What serves where, what is under way, the newest runs."""
    return {
        "app": view.app,
        "version": __version__,
        "router": {"running": view.routing},
        "environments": [_environment(one) for one in view.environments],
        "runs": [run(record) for record in view.runs],
    }


def experiment(report: ExperimentReport) -> Json:
    """What is tried out beside an environment's model, and how it does."""
    tried = report.experiment
    return {
        "environment": tried.environment,
        "model_version": tried.version,
        "split": dict(tried.split),
        "shadow": plain(tried.shadow),
        "by": tried.by,
        "why": tried.why,
        "since": tried.since,
        "stopped": plain(tried.stopped),
        "versions": plain(report.versions),
        "shadow_report": plain(report.shadow),
        "tasks": report.tasks,
        **_told(report.told),
    }


def release(view: ReleaseView) -> Json:
    """A release in short."""
    return {
        "id": view.id,
        "commit": view.commit,
        "created_at": view.created_at,
        "artifacts": {name: artifact.digest for name, artifact in view.artifacts.items()},
        "model_version": view.model_version,
        "app_version": view.app_version,
        "serves": list(view.serves),
    }


def model(version: ModelVersion) -> Json:
    """A version without its schema, which may be long."""
    shown: Json = plain(version)
    del shown["features"], shown["output"]
    return shown


def models(view: ModelsView) -> Json:
    """All versions and where they serve."""
    return {
        "latest": view.latest,
        "models": [
            {**model(one.model), "serves": list(one.serves), "probation": list(one.probation)} for one in view.models
        ],
    }


def decided(outcome: Decided) -> Json:
    """A version after a decision, and what followed."""
    refusal = outcome.not_promoted
    return {
        "model": model(outcome.model),
        "changed": outcome.changed,
        "serves": list(outcome.serves),
        "latest": outcome.latest,
        "run": run(outcome.run) if outcome.run else None,
        "not_promoted": {"what": refusal.what, "fix": refusal.fix} if refusal else None,
        **_told(outcome.told),
    }


def promoted(done: Promoted) -> Json:
    """What new releases take, and what brings the version to the tasks, or how it was read back."""
    return {"latest": done.latest, "run": run(done.run) if done.run else None, **_told(done.told)}


def baked(outcome: Baked) -> Json:
    """Where a version was baked in, and whether shipway.yaml serves it from there."""
    return {"model": model(outcome.model), "folder": outcome.folder, "to_describe": outcome.to_describe}


def _environment(view: EnvironmentView) -> Json:
    return {**plain(view), "experiment": experiment(view.experiment) if view.experiment is not None else None}


def _told(lines: tuple[str, ...]) -> Json:
    return {"told": list(lines)} if lines else {}
