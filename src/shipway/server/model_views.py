"""What the API shows of model versions."""

from __future__ import annotations

from typing import Any

from shipway.core.models.model_version import ModelVersion
from shipway.core.releases.release import Release
from shipway.core.rollouts.records import RolloutRecord
from shipway.core.rollouts.served import served
from shipway.pipeline.model_life import Baked, Decided
from shipway.server import views
from shipway.wiring import Platform

Json = dict[str, Any]


def model(version: ModelVersion) -> Json:
    """A version without its schema, which may be long."""
    shown: Json = views.plain(version)
    del shown["features"], shown["output"]
    return shown


def models(platform: Platform) -> Json:
    """All versions and where they serve."""
    serving = platform.control.models.serving()
    return {
        "latest": platform.models.latest_name(),
        "models": [{**model(one), "serves": list(serving.get(one.version, ()))} for one in platform.models.list()],
    }


def whole(platform: Platform, version: str) -> Json:
    """One version: its metadata, where it serves, and where it ever was what an environment served."""
    releases = {release.id: release for release in platform.store.all(Release)}
    history = served(platform.store.all(RolloutRecord), releases)
    return {
        "metadata": platform.models.metadata(version),
        "latest": platform.models.latest_name() == version,
        "serves": list(platform.control.models.serving().get(version, ())),
        "served": [views.plain(one) for one in history if version in one.models],
    }


def decided(outcome: Decided) -> Json:
    """A version after a decision, and what followed."""
    refusal = outcome.not_promoted
    return {
        "model": model(outcome.model),
        "changed": outcome.changed,
        "serves": list(outcome.serves),
        "latest": outcome.latest,
        "run": views.run(outcome.run) if outcome.run else None,
        "not_promoted": {"what": refusal.what, "fix": refusal.fix} if refusal else None,
    }


def baked(outcome: Baked) -> Json:
    """Where a version was baked in, and whether shipway.yaml serves it from there."""
    return {"model": model(outcome.model), "folder": outcome.folder, "to_describe": outcome.to_describe}
