"""The verbs of model versions: each parses, calls one verb of the desk, and answers its JSON."""

from __future__ import annotations

from pathlib import PurePath

from shipway.core.desk import ModelDesk
from shipway.core.errors import UsageError
from shipway.core.models.approval import Decision
from shipway.core.views.models import Publishing
from shipway.server.verbs import shapes
from shipway.server.verbs.call import Answer, Call, Verb, Verbs


def model_verbs(desk: ModelDesk) -> Verbs:
    """The verbs below `/v1/models`."""

    def promote(call: Call) -> Answer:
        version, environments = call.path("version"), call.texts("environments")
        canary = call.flag("canary")
        if not call.flag("next_release"):
            return shapes.promoted(desk.promote(version, environments, call.who, call.why, canary=canary))
        if environments or canary:
            raise UsageError("next_release leaves what runs alone: it goes without environments and without canary")
        return shapes.promoted(desk.promote_for_releases(version, call.who, call.why))

    def decide(decision: Decision) -> Verb:
        return lambda call: shapes.decided(desk.decide(call.path("version"), decision, call.who, call.why))

    def publish(call: Call) -> Answer:
        told: list[str] = []
        how = Publishing(call.text("pickle_sha256"), call.flag("keep_native"), call.flag("check"))
        model = desk.publish(_absolute(call, "folder"), call.text("version"), call.who, how, told.append)
        return {**shapes.model(model), "told": told}

    def history(call: Call) -> Answer:
        at = call.number("at", 0, 1e11) if call.query("at") is not None else None
        return {"at": at, "stays": shapes.plain(desk.history(call.query("environment"), at))}

    def compare(call: Call) -> Answer:
        told: list[str] = []
        comparison = desk.compare(call.path("a"), call.path("b"), told.append)
        return {"a": call.path("a"), "b": call.path("b"), **comparison, "told": told}

    def bake(call: Call) -> Answer:
        into = _absolute(call, "into") if call.text("into") is not None else None
        return shapes.baked(desk.bake(call.path("version"), call.text("service"), into, call.who))

    return {
        ("GET", "/v1/models"): lambda _: shapes.models(desk.list()),
        ("POST", "/v1/models"): publish,
        ("POST", "/v1/models/rollback"): lambda call: shapes.promoted(
            desk.roll_back(call.texts("environments"), call.who, call.why)
        ),
        ("GET", "/v1/models/history"): history,
        ("GET", "/v1/models/{version}"): lambda call: shapes.plain(desk.show(call.path("version"))),
        ("GET", "/v1/models/{a}/compare/{b}"): compare,
        ("POST", "/v1/models/{version}/approve"): decide("approved"),
        ("POST", "/v1/models/{version}/reject"): decide("rejected"),
        ("POST", "/v1/models/{version}/archive"): decide("archived"),
        ("POST", "/v1/models/{version}/promote"): promote,
        ("POST", "/v1/models/{version}/bake"): bake,
    }


def _absolute(call: Call, name: str) -> str:
    folder = call.text(name) or ""
    if not PurePath(folder).is_absolute():
        raise UsageError(f"{name}: expected the absolute path of a folder")
    return folder
