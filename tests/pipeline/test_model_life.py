"""The life of a model version: decisions, canaries, what approval brings by itself, and versions that do not fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shipway.core.contract.schema import Feature
from shipway.core.description.app import App
from shipway.core.errors import Refused, UsageError
from shipway.core.models.history import ModelHistory
from shipway.core.models.model_version import ModelVersion
from shipway.core.releases.release import BakedModel
from shipway.core.releases.run import Run
from shipway.core.rollouts.records import RolloutRecord
from shipway.core.rollouts.waiting import Waiting
from tests.pipeline.house import APP, DESCRIPTION, House
from tests.waiting import wait_for

CANARY = {"strategy": "canary", "steps": [20], "step_wait": 0.01, "bake": 0.01}


def describe(house: House, **changes: Any) -> None:
    """Let the operator's description and the committed one differ from the usual one in these parts."""
    house.app = house.described = App.model_validate({**DESCRIPTION, **changes})


def environments(**changes: Any) -> dict[str, Any]:
    """The usual environments, each with these changes."""
    return {name: {**described, **changes} for name, described in DESCRIPTION["environments"].items()}


def ended(house: House, run: Run | None) -> Run:
    """The run, once it is over."""
    assert run is not None
    return house.until(run.id, "succeeded", "rolled_back", "failed", "refused")


def story(house: House, run: Run) -> str:
    """All lines of a run's story."""
    return "\n".join(event.text for event in house.store.events(run.id, 0))


def waiting_in(house: House, environment: str) -> Waiting:
    """What the rollout there lacks, once it has predictions of both sides."""

    def held() -> Waiting | None:
        record = house.rollouts.under_way(environment)
        waiting = record.state.waiting if record else None
        return waiting if waiting and waiting.counts and all(count.seen for count in waiting.counts) else None

    return wait_for(held, f"the rollout in {environment} waits for clients")


def takes(version: str, *names: str) -> ModelVersion:
    """A version whose features have these names; v1.0 was approved."""
    status = "approved" if version == "v1.0" else "pending"
    features = tuple(Feature(name, "number", True) for name in names)
    return ModelVersion(
        version, "m", "f", f"digest of {version}", f"schema of {names}", "", "", "", status, features=features
    )


def test_decisions_are_noted_with_who_and_why(house: House) -> None:
    """Each is in the audit log once; the same one again changes nothing."""
    outcome = house.control.models.decide("v1.1", "approved", "ann", "better")
    assert ("approved", True, ()) == (outcome.model.approval_status, outcome.changed, outcome.serves)
    assert not house.control.models.decide("v1.1", "approved", "ann", "better still").changed
    house.control.models.decide("v1.1", "rejected", "ann", "biased")
    assert [("ann", "reject model", "biased", "approved"), ("ann", "approve model", "better", "pending")] == [
        (entry.who, entry.action, entry.why, entry.detail["from"]) for entry in house.store.audit(10)
    ]


def test_decisions_need_the_roles_of_the_gates(house: House) -> None:
    """Who may not let anything into prod does not judge models either."""
    with pytest.raises(Refused, match="bob may not approve a model: prod takes one of the roles lead"):
        house.control.models.decide("v1.1", "approved", "bob", "mine")
    assert "pending" == house.registry.get("v1.1").approval_status


def test_a_rejected_version_serves_on_and_goes_nowhere_else(house: House) -> None:
    """Nothing is taken away by itself; promoting it, or deploying a release with it, is refused."""
    house.release("c1")
    outcome = house.control.models.decide("v1.0", "rejected", "ann", "biased")
    assert (("dev", "prod"), True) == (outcome.serves, outcome.latest)
    assert "r1" == house.rollouts.record_of("prod").stable
    with pytest.raises(Refused, match=r"v1\.0 was rejected by ann \(biased\)"):
        house.control.models.promote("v1.0", [], "ann", "again")
    assert "v1.0 is rejected" in ended(house, house.control.deploy("c2", None, "bob")).reason


def test_a_version_rejected_while_its_release_waits_does_not_reach_prod(house: House) -> None:
    """The gate was opened for another state of things."""
    run = house.control.deploy("c1", None, "bob")
    house.until(run.id, "waiting")
    house.control.models.decide("v1.0", "rejected", "ann", "biased")
    house.control.answer(run.id, approved=True, who="ann", why="fine")
    assert "refused" == ended(house, run).status
    assert house.rollouts.record_of("prod").stable is None


def test_going_back_to_a_release_is_possible_whatever_became_of_its_model(house: House) -> None:
    """A rollback is an emergency: it says what it brings back, and brings it."""
    house.release("c1")
    house.release("c2")
    house.control.models.decide("v1.0", "rejected", "ann", "biased")
    run = ended(house, house.control.roll_back("prod", "ann", "worse"))
    assert ("succeeded", "r1") == (run.status, house.rollouts.record_of("prod").stable)
    assert "v1.0 was rejected by ann (biased); r1 goes back to it all the same" in story(house, run)


def test_going_back_to_a_rejected_version_is_refused(house: House) -> None:
    """Among models there is a choice: the refusal asks for it."""
    house.store.put("models", ModelHistory(("v1.0", "v1.1")))
    house.control.models.decide("v1.0", "rejected", "ann", "biased")
    with pytest.raises(Refused, match=r"v1\.0 was rejected"):
        house.control.models.roll_back([], "ann", "worse")


def test_only_what_nobody_uses_is_archived(house: House) -> None:
    """Neither what serves, nor what new releases take; and a rollout under way is a use."""
    house.release("c1")
    house.registry.promoted("v1.5")
    for version, why in (("v1.0", "serves in dev, prod"), ("v1.5", "is the latest")):
        with pytest.raises(Refused, match=why):
            house.control.models.decide(version, "archived", "ann", "old")
    assert "archived" == house.control.models.decide("v1.4", "archived", "ann", "old").model.approval_status
    house.target.hold.clear()
    run = house.control.models.promote("v1.6", ["dev"], "bob", "an experiment", canary=True).run
    house.reached(lambda: house.rollouts.under_way("dev") is not None)
    with pytest.raises(Refused, match="serves in dev"):
        house.control.models.decide("v1.6", "archived", "ann", "old")
    house.target.hold.set()
    ended(house, run)


def test_a_canary_takes_the_other_side_and_the_policys_steps(house: House) -> None:
    """Both versions serve side by side before the new one has everything; then it counts as promoted."""
    describe(house, environments=environments(rollout=CANARY))
    house.release("c1")
    house.target.calls.clear()
    run = ended(house, house.control.models.promote("v1.1", [], "ann", "better", canary=True).run)
    assert ("succeeded", "v1.1") == (run.status, house.registry.current)
    shares = dict.fromkeys(call[3] for call in house.target.calls if call[:2] == ("shift", "prod"))
    assert [0, 2000, 10_000] == list(shares)
    assert not [call for call in house.target.calls if call[0] == "take_model"]
    assert "predictions agree within 25 %" in story(house, run)
    back = ended(house, house.control.roll_back("prod", "ann", "worse"))
    assert ("succeeded", "r1") == (back.status, house.rollouts.record_of("prod").stable)
    assert "flip" == house.store.all(RolloutRecord)[-1].kind


def test_a_canary_with_shifted_predictions_is_rolled_back(house: House) -> None:
    """Not one request failed, and still it is bad: stable's version serves, and new releases take it."""
    describe(house, environments=environments(rollout=CANARY))
    house.release("c1")
    house.target.shifted_models = frozenset({"v1.1"})
    run = ended(house, house.control.models.promote("v1.1", [], "ann", "better", canary=True).run)
    assert "rolled_back" == run.status
    assert "predictions shifted by more than" in run.reason
    assert ("r1", "v1.0") == (house.rollouts.record_of("dev").stable, house.registry.current)
    assert "pending" == house.registry.get("v1.1").approval_status
    again = ended(house, house.control.retry(run.id, "ann"))
    assert ("rolled_back", True) == (again.status, again.canary)


def test_a_canary_that_labels_speak_against_is_rolled_back(house: House) -> None:
    """What came true meanwhile counts, however alike the predictions are."""
    describe(house, environments=environments(rollout=CANARY))
    house.release("c1")
    house.target.lossy_models = frozenset({"v1.1"})
    run = ended(house, house.control.models.promote("v1.1", ["dev"], "ann", "better", canary=True).run)
    assert "squared error 0.3, stable 0.2: worse by more than" in run.reason


def test_a_canary_whose_predictions_nobody_tells_does_not_pass(house: House) -> None:
    """Missing data is a hold, and a hold ends in a rollback."""
    describe(house, environments=environments(rollout=CANARY))
    house.release("c1")
    # From here on only: a first release on a slow machine may take longer between two looks.
    describe(house, environments=environments(rollout={**CANARY, "guard": {"hold_timeout": 2}}))
    house.release("c1")
    house.target.predicts = False
    run = ended(house, house.control.models.promote("v1.1", ["dev"], "ann", "better", canary=True).run)
    assert "rolled_back" == run.status
    assert "not every task with a model tells its predictions (GET /variants)" in run.reason


def test_a_canary_that_lacks_predictions_says_how_many(house: House) -> None:
    """What it waits for stands in its record while it is held, and clients that come let it pass."""
    model = {"name": "m", "quality": {"min_predictions": 10**9}}
    describe(house, model=model, environments=environments(rollout=CANARY))
    house.release("c1")
    run = house.control.models.promote("v1.1", ["dev"], "ann", "better", canary=True).run
    assert run is not None
    held = waiting_in(house, "dev")
    assert ["candidate", "stable"] == [count.side for count in held.counts]
    assert all(0 < count.seen < count.needed == 10**9 for count in held.counts)
    assert (120.0, "rollback") == (pytest.approx(held.until - held.holds_from), held.then)
    house.target.arriving = 2 * 10**9
    assert "succeeded" == ended(house, run).status


def test_a_release_that_brings_a_shifted_model_is_rolled_back_as_well(house: House) -> None:
    """What came with the code is judged like what came alone."""
    describe(house, environments=environments(rollout={**CANARY, "step_wait": 0.3}))
    house.release("c1")
    house.target.shifted_models = frozenset({"v1.1"})
    house.registry.promoted("v1.1")
    assert "predictions shifted" in ended(house, house.control.deploy("c2", None, "bob")).reason


def test_a_changed_policy_holds_for_the_next_canary(house: House) -> None:
    """A commit that changes nothing that runs starts no task; what it says of rollouts holds all the same."""
    house.release("c1")
    describe(house, environments=environments(rollout=CANARY))
    house.target.calls.clear()
    house.release("c1")
    assert [] == house.target.calls
    ended(house, house.control.models.promote("v1.1", ["dev"], "ann", "better", canary=True).run)
    assert ["canary"] == [record.plan.strategy for record in house.store.all(RolloutRecord)][-1:]
    back = ended(house, house.control.roll_back("dev", "bob", "worse"))
    assert ("succeeded", "r1") == (back.status, house.rollouts.record_of("dev").stable)


def test_a_commit_that_runs_the_same_with_a_newer_model_goes_the_way_of_commits(house: House) -> None:
    """No swap behind the policy's back; the same commit once more, with nothing but the model, swaps."""
    house.release("c1")
    house.registry.promoted("v1.1")
    describe(house, environments=environments(rollout=CANARY))
    house.target.calls.clear()
    house.release("c1")
    assert not [call for call in house.target.calls if call[0] == "take_model"]
    house.registry.promoted("v1.2")
    house.release("c1")
    assert ["take_model", "take_model"] == [call[0] for call in house.target.calls if call[0] == "take_model"]


def on_approval(house: House, *names: str) -> None:
    """Let approved versions go into these environments."""
    describe(house, model={"name": "m", "on_approval": list(names)})


def test_approval_promotes_where_the_description_says_so(house: House) -> None:
    """Dev gets the version by the usual way, under the approver's name; prod does not."""
    on_approval(house, "dev")
    house.release("c1")
    outcome = house.control.models.decide("v1.1", "approved", "ann", "better")
    run = ended(house, outcome.run)
    assert (("dev",), "ann", "on approval: better", "succeeded") == (run.path, run.by, run.why, run.status)
    assert {"v1.1": ("dev",), "v1.0": ("prod",)} == house.control.models.serving()
    assert house.control.models.decide("v1.1", "approved", "ann", "once more").run is None
    said = [(entry.action, entry.why) for entry in house.store.audit(20)]
    assert ("promote model", "on approval: better") in said


def test_approval_stands_where_the_promotion_is_refused(house: House) -> None:
    """The refusal is told; promoting later is a command away."""
    on_approval(house, "dev")
    house.release("c1")
    house.target.hold.clear()
    run = house.control.deploy("c2", None, "bob")
    house.reached(lambda: house.rollouts.under_way("dev") is not None)
    outcome = house.control.models.decide("v1.1", "approved", "ann", "better")
    house.target.hold.set()
    assert ("approved", None) == (outcome.model.approval_status, outcome.run)
    assert outcome.not_promoted is not None
    assert "a rollout is under way in dev" == outcome.not_promoted.what
    house.until(run.id, "waiting")


def test_approval_promotes_nothing_where_nothing_runs(house: House) -> None:
    """Above all not what new releases take."""
    on_approval(house, "dev", "prod")
    outcome = house.control.models.decide("v1.1", "approved", "ann", "better")
    assert (None, None, "v1.0") == (outcome.run, outcome.not_promoted, house.registry.current)


def test_an_environment_that_serves_nothing_does_not_decide_for_production(house: House) -> None:
    """What new releases take stays, and the version stays pending: whoever may change stage alone is told so."""
    house.release("c1")
    stage = {**DESCRIPTION["environments"]["dev"], "branch": "stage", "port": 8082}
    describe(house, environments={**DESCRIPTION["environments"], "stage": stage})
    with pytest.raises(Refused, match="stage serves nothing yet, and what new releases take is decided for prod"):
        house.control.models.promote("v1.1", ["stage"], "bob", "mine")
    assert ("v1.0", "pending") == (house.registry.current, house.registry.get("v1.1").approval_status)


@pytest.mark.parametrize("canary", [False, True])
def test_a_version_that_takes_other_requests_is_not_promoted(house: House, canary: bool) -> None:
    """The services of the release would send it what it does not take: a release brings both."""
    house.registry.versions = {"v1.0": takes("v1.0", "temp"), "v2.0": takes("v2.0", "temp", "wind")}
    house.release("c1")
    with pytest.raises(Refused, match=r"v2\.0 does not take every request that dev's v1\.0 takes: wind is new") as no:
        house.control.models.promote("v2.0", [], "ann", "better", canary=canary)
    assert "shipway model promote v2.0 --next-release, then shipway deploy" in no.value.fix


def test_a_release_brings_a_version_that_takes_other_requests(house: House) -> None:
    """First new releases take it, then one goes through the pipeline: by a rollout, though only the model differs."""
    house.registry.versions = {"v1.0": takes("v1.0", "temp"), "v2.0": takes("v2.0", "wind")}
    house.release("c1")
    with pytest.raises(Refused, match="lead"):
        house.control.models.promote_for_releases("v2.0", "bob", "mine")
    house.control.models.promote_for_releases("v2.0", "ann", "better")
    assert {"v1.0": ("dev", "prod")} == house.control.models.serving()
    house.target.calls.clear()
    assert "succeeded" == house.release("c1").status
    assert {"v2.0": ("dev", "prod")} == house.control.models.serving()
    assert not [call for call in house.target.calls if call[0] == "take_model"]
    assert "succeeded" == ended(house, house.control.roll_back("prod", "ann", "worse")).status
    assert not [call for call in house.target.calls if call[0] == "take_model"]


def test_the_same_inputs_swap_whatever_their_digest(house: House) -> None:
    """Wider inputs take every request of before."""
    wide = replace(takes("v1.1", "temp"), schema_digest="another")
    house.registry.versions = {"v1.0": takes("v1.0", "temp"), "v1.1": wide}
    house.release("c1")
    house.target.calls.clear()
    ended(house, house.control.models.promote("v1.1", [], "ann", "better").run)
    assert ["take_model", "label"] * 2 == [call[0] for call in house.target.calls]


BAKED = {"hello": {"path": "hello", "command": "run", "routes": ["/*"], "baked": "models"}}


def test_a_baked_version_goes_with_the_release(house: House) -> None:
    """It needs no latest version, shows where it serves, and is what every task must report."""
    describe(house, services=BAKED)
    house.workshop.baked = BakedModel("v1.3", "digest of v1.3")
    house.target.reported = "v1.3"
    assert "succeeded" == house.release("c1").status
    assert {"v1.3": ("dev", "prod")} == house.control.models.serving()
    with pytest.raises(Refused, match=r"dev serves no model from the bucket: v1\.3 is baked in") as refused:
        house.control.models.promote("v1.4", [], "ann", "better")
    assert "shipway model bake v1.4, commit, and shipway deploy" == refused.value.fix


def test_a_task_with_another_version_than_the_baked_one_is_no_success(house: House) -> None:
    """What serves is read back: a service that looks for its model elsewhere is found out."""
    describe(house, services=BAKED)
    house.workshop.baked = BakedModel("v1.3", "digest of v1.3")
    house.target.reported = "v1.0"
    run = ended(house, house.control.deploy("c1", None, "bob"))
    assert "failed" == run.status
    assert "model v1.0" in run.reason


def _into(*parts: str) -> Callable[[House], Any]:
    return lambda house: house.root.joinpath(*parts)


@pytest.mark.parametrize(
    ("services", "service", "into", "folder", "to_describe"),
    [
        (BAKED, None, None, "hello/models", ""),
        (
            DESCRIPTION["services"],
            None,
            None,
            "hello/models",
            "services.hello: `baked: models` in place of `model: true`",
        ),
        (BAKED, "hello", _into("hello", "other"), "hello/other", "services.hello: `baked: other`"),
    ],
)
def test_where_a_version_is_baked(
    house: House, services: Any, service: str | None, into: Any, folder: str, to_describe: str
) -> None:
    """By default where shipway.yaml serves it from; what the description lacks for that is told."""
    describe(house, services=services)
    baked = house.control.models.bake("v1.1", service, str(into(house)) if into else None, "ann")
    assert (folder, to_describe) == (baked.folder, baked.to_describe)
    assert ("v1.1", folder) == house.registry.baked
    assert "bake model" == house.store.audit(1)[0].action


def test_a_version_is_baked_into_the_repository_alone(house: House) -> None:
    """Neither an unknown service nor a folder elsewhere is written to."""
    with pytest.raises(UsageError, match="no service 'other'"):
        house.control.models.bake("v1.1", "other", None, "ann")
    for place in (house.root.parent / "elsewhere", house.root, house.root / "hello" / ".." / ".." / "out"):
        with pytest.raises(UsageError, match="is outside of"):
            house.control.models.bake("v1.1", None, str(place), "ann")
    assert None is house.registry.baked


def test_without_a_model_there_is_nothing_to_promote(house: House) -> None:
    """The description says so, and the error names the section."""
    services = {"hello": {"path": "hello", "command": "run", "routes": ["/*"]}}
    house.app = App.model_validate({**APP.model_dump(mode="json"), "services": services, "model": None})
    with pytest.raises(UsageError, match="no `model:` section"):
        house.control.models.promote("v1.1", [], "ann", "better")
