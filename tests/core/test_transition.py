"""How a rollout begins: by which kind, and what it judges."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shipway.core.description import App, Quality
from shipway.core.records import EnvironmentRecord, RolloutRecord, Warm
from shipway.core.release import Artifact, BakedModel, Release
from shipway.core.served import Served, served
from shipway.core.transition import begun, kind_of

APP = App.model_validate(
    {
        "app": "hello",
        "services": {"hello": {"path": "hello", "command": "run", "routes": ["/*"], "model": True}},
        "model": {"name": "m", "quality": {"min_predictions": 7}},
        "environments": {
            "prod": {
                "branch": "main", "port": 8080, "tasks": {"min": 2, "max": 2},
                "rollout": {"strategy": "canary", "steps": [10]},
            }
        },
    }
)  # fmt: skip
STABLE = Release("r1", "c1", APP, {"hello": Artifact("hello", "a" * 64, "c1", "/tree")}, "v1.0", "d10", "schema")
MODEL = replace(STABLE, id="r2", model_version="v1.1", model_digest="d11")
CODE = replace(STABLE, id="r2", artifacts={"hello": Artifact("hello", "b" * 64, "c2", "/tree")})
BOTH = replace(MODEL, artifacts=CODE.artifacts)
SERVING = EnvironmentRecord("prod", "blue", ("r1",))
WARM = replace(SERVING, warm=Warm("green", "r2", 100.0))


def begin(release: Release, *, stable: Release | None = STABLE, in_place: bool = True) -> RolloutRecord:
    environment = SERVING if stable is not None else EnvironmentRecord("prod")
    return begun("1", environment, stable, release, run="1", by="ann", now=0.0, back=False, in_place=in_place)


@pytest.mark.parametrize(
    ("release", "back", "in_place", "environment", "kind"),
    [
        (MODEL, False, True, SERVING, "swap"),
        (MODEL, False, False, SERVING, "rollout"),
        (MODEL, True, True, SERVING, "swap"),
        (MODEL, True, False, SERVING, "flip"),
        (MODEL, True, True, WARM, "flip"),
        (MODEL, False, True, WARM, "swap"),
        (CODE, False, True, SERVING, "rollout"),
        (CODE, True, True, SERVING, "flip"),
        (BOTH, False, True, SERVING, "rollout"),
    ],
)
def test_the_kind_of_a_rollout(
    release: Release, back: bool, in_place: bool, environment: EnvironmentRecord, kind: str
) -> None:
    """A model alone swaps in place unless it comes as a canary; the way back to what is warm is a flip."""
    assert kind == kind_of(environment, STABLE, release, back=back, in_place=in_place)


def test_a_canary_of_a_model_waits_for_predictions() -> None:
    """It takes the other side with the policy's steps, and the app's own bounds judge its predictions."""
    record = begin(MODEL, in_place=False)
    assert ("rollout", "green") == (record.kind, record.state.candidate)
    assert (Quality(min_predictions=7), True) == (record.plan.quality, record.plan.needs_predictions)


def test_a_release_with_another_model_is_judged_without_waiting() -> None:
    """Its predictions may roll it back; too few of them hold nothing up."""
    plan = begin(BOTH).plan
    assert (Quality(min_predictions=7), False) == (plan.quality, plan.needs_predictions)


def test_without_another_model_predictions_are_not_judged() -> None:
    """The same model, a swap, no stable, or no model before: nothing is compared."""
    assert None is begin(CODE).plan.quality
    assert None is begin(MODEL).plan.quality
    assert None is begin(BOTH, stable=None).plan.quality
    assert None is begin(BOTH, stable=replace(STABLE, model_version=None, model_digest=None)).plan.quality


def test_a_baked_model_counts_as_the_releases() -> None:
    """Two artifacts with other models in them are compared like two versions of the bucket."""
    services = {"hello": APP.services["hello"].model_copy(update={"model": False, "baked": "models"})}
    app = APP.model_copy(update={"services": services})

    def baked(version: str) -> Release:
        artifact = Artifact("hello", version.ljust(64, "0"), "c", "/tree", model=BakedModel(version, f"of {version}"))
        return Release(version, "c", app, {"hello": artifact})

    one, two = baked("v1.0"), baked("v1.1")
    assert ({"v1.1": "of v1.1"}, "v1.1") == (two.models, two.model_of("hello"))
    assert begin(two, stable=one).plan.quality is not None
    assert None is begin(replace(one, id="r2"), stable=one).plan.quality


def test_what_a_task_must_report() -> None:
    """The bucket's version where the service takes it, nothing where it serves no model."""
    assert "v1.0" == STABLE.model_of("hello")
    without = {"hello": APP.services["hello"].model_copy(update={"model": False})}
    assert None is replace(STABLE, app=APP.model_copy(update={"services": without})).model_of("hello")


def test_what_served_when() -> None:
    """One entry for each promotion, which ends where the next one of the environment begins."""

    def ended(release: str, at: float, *, environment: str = "prod", phase: str = "promoted") -> RolloutRecord:
        record = begin(MODEL)
        state = replace(record.state, phase=phase)  # type: ignore[arg-type]
        return replace(record, environment=environment, release=release, ended=at, state=state)

    rollouts = [ended("r2", 30.0), ended("r1", 10.0), ended("r9", 20.0, phase="rolled_back"), begin(MODEL)]
    rollouts += [ended("r1", 15.0, environment="dev"), ended("r7", 40.0)]
    assert [
        Served("prod", "r1", ("v1.0",), 10.0, 30.0, "ann"),
        Served("dev", "r1", ("v1.0",), 15.0, None, "ann"),
        Served("prod", "r2", ("v1.1",), 30.0, 40.0, "ann"),
        Served("prod", "r7", (), 40.0, None, "ann"),
    ] == served(rollouts, {"r1": STABLE, "r2": MODEL})
