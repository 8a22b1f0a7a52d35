"""The API's verbs of model versions: each parses, calls one verb, and answers its JSON."""

from __future__ import annotations

from pathlib import Path

from shipway.core.errors import UsageError
from shipway.core.models.approval import Decision
from shipway.core.releases.run import Run
from shipway.server import model_views, views
from shipway.server.call import Answer, Call, Verb, Verbs
from shipway.wiring import Platform


def model_verbs(platform: Platform) -> Verbs:
    """The verbs below `/v1/models`."""
    life, models = platform.control.models, platform.models

    def promoted(run: Run | None) -> Answer:
        return {"latest": models.latest_name(), "run": views.run(run) if run else None}

    def promote(call: Call) -> Answer:
        version, environments, why = call.path("version"), call.texts("environments"), call.text("why") or ""
        canary = call.flag("canary")
        if not call.flag("next_release"):
            return promoted(life.promote(version, environments, call.who, why, canary=canary))
        if environments or canary:
            raise UsageError("next_release leaves what runs alone: it goes without environments and without canary")
        life.promote_for_releases(version, call.who, why)
        return promoted(None)

    def decide(decision: Decision) -> Verb:
        def verb(call: Call) -> Answer:
            return model_views.decided(life.decide(call.path("version"), decision, call.who, call.text("why") or ""))

        return verb

    def publish(call: Call) -> Answer:
        told: list[str] = []
        model = models.publish(
            _absolute(call, "folder"),
            call.text("version"),
            call.who,
            pickle_sha256=call.text("pickle_sha256"),
            keep_native=call.flag("keep_native"),
            check=call.flag("check"),
            tell=told.append,
        )
        return {**model_views.model(model), "told": told}

    def compare(call: Call) -> Answer:
        told: list[str] = []
        comparison = models.compare(call.path("a"), call.path("b"), tell=told.append)
        return {"a": call.path("a"), "b": call.path("b"), **comparison, "told": told}

    def bake(call: Call) -> Answer:
        into = _absolute(call, "into") if call.text("into") is not None else None
        return model_views.baked(life.bake(call.path("version"), call.text("service"), into, call.who))

    return {
        ("GET", "/v1/models"): lambda _: model_views.models(platform),
        ("POST", "/v1/models"): publish,
        ("POST", "/v1/models/rollback"): lambda call: promoted(
            life.roll_back(call.texts("environments"), call.who, call.text("why") or "")
        ),
        ("GET", "/v1/models/{version}"): lambda call: model_views.whole(platform, call.path("version")),
        ("GET", "/v1/models/{a}/compare/{b}"): compare,
        ("POST", "/v1/models/{version}/approve"): decide("approved"),
        ("POST", "/v1/models/{version}/reject"): decide("rejected"),
        ("POST", "/v1/models/{version}/archive"): decide("archived"),
        ("POST", "/v1/models/{version}/promote"): promote,
        ("POST", "/v1/models/{version}/bake"): bake,
    }


LENGTHY = frozenset({("POST", "/v1/models"), ("GET", "/v1/models/{a}/compare/{b}")})
"""Verbs that run models over many rows: few of them at a time, so that they never keep others waiting."""


def _absolute(call: Call, name: str) -> Path:
    folder = Path(call.text(name) or "")
    if not folder.is_absolute():
        raise UsageError(f"{name}: expected the absolute path of a folder")
    return folder
