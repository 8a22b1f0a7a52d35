"""How a rollout begins: by which kind, and what it judges."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shipway.core.description.app import App, Quality
from shipway.core.releases.release import Artifact, BakedModel, Release
from shipway.core.rollouts.machine import State
from shipway.core.rollouts.plan import flip_plan
from shipway.core.rollouts.records import EnvironmentRecord, RolloutRecord, Warm
from shipway.core.rollouts.served import Served, by_model, newest_model, served
from shipway.core.rollouts.transition import ModelWay, begun, kind_of, relabelled

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
STABLE = Release("r1", "c1", APP, {"hello": Artifact("hello", "a" * 64, "/tree")}, "v1.0", "d10", "schema")
MODEL = replace(STABLE, id="r2", model_version="v1.1", model_digest="d11")
CODE = replace(STABLE, id="r2", artifacts={"hello": Artifact("hello", "b" * 64, "/tree")})
PLAN = flip_plan(APP.environments["prod"].rollout, 2, 60.0)
BOTH = replace(MODEL, artifacts=CODE.artifacts)
SERVING = EnvironmentRecord("prod", "blue", ("r1",))
WARM = replace(SERVING, warm=Warm("green", "r2", 100.0))


def begin(release: Release, *, stable: Release | None = STABLE, way: ModelWay = "swap") -> RolloutRecord:
    environment = SERVING if stable is not None else EnvironmentRecord("prod")
    return begun("1", environment, stable, release, run="1", by="ann", now=0.0, back=False, way=way)


@pytest.mark.parametrize(
    ("release", "back", "way", "environment", "kind"),
    [
        (MODEL, False, "swap", SERVING, "swap"),
        (MODEL, False, "canary", SERVING, "rollout"),
        (MODEL, False, "rollout", SERVING, "rollout"),
        (MODEL, True, "swap", SERVING, "swap"),
        (MODEL, True, "rollout", SERVING, "flip"),
        (MODEL, True, "swap", WARM, "flip"),
        (MODEL, False, "swap", WARM, "swap"),
        (CODE, False, "swap", SERVING, "rollout"),
        (CODE, True, "swap", SERVING, "flip"),
        (BOTH, False, "swap", SERVING, "rollout"),
        (replace(MODEL, commit="c2"), False, "swap", SERVING, "swap"),
    ],
)
def test_the_kind_of_a_rollout(
    release: Release, back: bool, way: ModelWay, environment: EnvironmentRecord, kind: str
) -> None:
    """A model alone swaps in place unless it comes as a canary; the way back to what is warm is a flip."""
    assert kind == kind_of(environment, STABLE, release, back=back, way=way)


def test_a_canary_of_a_model_waits_for_predictions() -> None:
    """It takes the other side with the policy's steps, and the app's own bounds judge its predictions."""
    record = begin(MODEL, way="canary")
    assert ("rollout", "green") == (record.kind, record.state.candidate)
    assert (Quality(min_predictions=7), True) == (record.plan.quality, record.plan.needs_predictions)


def test_a_release_with_another_model_is_judged_without_waiting() -> None:
    """Its predictions may roll it back; too few of them hold nothing up."""
    for release, way in ((BOTH, "swap"), (MODEL, "rollout")):
        plan = begin(release, way=way).plan  # type: ignore[arg-type]
        assert (Quality(min_predictions=7), False) == (plan.quality, plan.needs_predictions)


def test_a_rollout_begins_with_all_that_is_known_of_it() -> None:
    """Who, when, for which run, from what to what; it waits for the slowest service and some seconds more to start."""
    record = replace(begun("7", SERVING, STABLE, CODE, run="3", by="ann", now=9.0, back=False, way="swap"), plan=PLAN)
    state = State("green", has_stable=True, since=9.0, started=9.0)
    expected = RolloutRecord("7", "prod", "r2", "r1", "rollout", PLAN, state, "ann", 9.0, back=False, run="3")
    assert expected == record
    slowest = APP.services["hello"].start_timeout
    assert slowest < begin(CODE).plan.start_timeout < slowest + 60
    plans = [
        begun("7", SERVING, STABLE, CODE, run="3", by="ann", now=9.0, back=b, way="swap").plan for b in (False, True)
    ]
    assert [(2, 2), (2, 2)] == [(plan.tasks, plan.stable_tasks) for plan in plans]
    assert [1000, 10_000] == [step.weight for step in begin(CODE).plan.steps]


@pytest.mark.parametrize(("back", "history"), [(False, ("r1", "r5", "r6", "r2")), (True, ("r1", "r5"))])
def test_a_promotion_writes_history_forwards_and_takes_one_release_off_it_on_the_way_back(
    back: bool, history: tuple[str, ...]
) -> None:
    """The candidate's side serves, and no rollout is under way there any more."""
    environment = replace(SERVING, history=("r1", "r5", "r6"), rollout="1")
    record = replace(begin(CODE), back=back)
    assert EnvironmentRecord("prod", "green", history) == relabelled(environment, record)


def test_a_promotion_ends_what_described_the_release_before() -> None:
    """The newest release speaks for itself again."""
    record = begin(BOTH)
    assert None is relabelled(replace(SERVING, described_by="r9"), record).described_by


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
        artifact = Artifact("hello", version.ljust(64, "0"), "/tree", model=BakedModel(version, f"of {version}"))
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
    id = begin(MODEL).id
    assert [
        Served("prod", "r1", ("v1.0",), 10.0, 30.0, "ann", id),
        Served("dev", "r1", ("v1.0",), 15.0, None, "ann", id),
        Served("prod", "r2", ("v1.1",), 30.0, 40.0, "ann", id),
        Served("prod", "r7", (), 40.0, None, "ann", id),
    ] == served(rollouts, {"r1": STABLE, "r2": MODEL})


def test_a_release_that_keeps_the_model_is_no_new_stay() -> None:
    """Joined by environment, so that what served when is a matter of models."""
    one = Served("prod", "r1", ("v1.0",), 10.0, 20.0, "ann", "1")
    dev = Served("dev", "r1", ("v1.0",), 12.0, None, "ann", "2")
    same = Served("prod", "r2", ("v1.0",), 20.0, 30.0, "bob", "3")
    other = Served("prod", "r3", ("v1.1",), 30.0, None, "bob", "4")
    assert [replace(one, until=30.0), dev, other] == by_model([one, dev, same, other])


def test_the_rollout_that_brought_the_model_is_found() -> None:
    """Past those that kept it; none where nothing served before, or a release is not known any more."""

    def ended(id: str, release: str, previous: str | None, at: float) -> RolloutRecord:
        record = begin(MODEL)
        state = replace(record.state, phase="promoted")
        return replace(record, id=id, release=release, previous=previous, ended=at, state=state)

    releases = {"r1": STABLE, "r2": MODEL, "r3": MODEL}
    first, brought, kept = ended("1", "r1", None, 1.0), ended("2", "r2", "r1", 2.0), ended("3", "r3", "r2", 3.0)
    assert (brought, "v1.1", "v1.0") == newest_model("prod", [kept, first, brought, begin(MODEL)], releases)
    assert newest_model("prod", [first], releases) is None
    assert newest_model("dev", [first, brought], releases) is None
    assert newest_model("prod", [first, brought, kept], {"r1": STABLE, "r3": MODEL}) is None
