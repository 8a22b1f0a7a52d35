"""Runs of the kind `train`: from data to a registered version, or to a reasoned no."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from shipway.core.description.app import App
from shipway.core.errors import Refused, UsageError
from shipway.core.models.model_version import ModelVersion
from shipway.core.releases.run import Run
from shipway.core.rollouts.records import EnvironmentRecord
from tests.doubles.training import MODEL, analysis, evaluation, tuning
from tests.pipeline.house import APP, DESCRIPTION, House
from tests.waiting import wait_for

STEPS = ["prepare", "train", "evaluate", "package"]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()


def trained(house: House, begin: str | None = None, end: str | None = None) -> Run:
    """A training that ended."""
    return ended(house, house.control.training.start(begin, end, "c1", "ann", "quarterly").id)


def ended(house: House, id: str) -> Run:
    wait_for(lambda: not house.run(id).live)
    return house.run(id)


def test_a_better_model_becomes_a_version(house: House) -> None:
    """The steps run in order on the newest months, and what they came to stands in the record."""
    run = trained(house)
    assert ("succeeded", "v6.7", 0) == (run.status, run.model_version, run.exit_code)
    assert STEPS == [order.name for order in house.steps.ran]
    prepare, train, evaluate, package = house.steps.ran
    assert ("--from", "2013-05-01", "--until", "2013-07-01", "--test-until", "2013-08-01") == prepare.options
    assert ("2013-05", "2013-06", "2013-07") == prepare.inputs["flights"].months
    assert {} == train.hyperparameters
    assert "v1.0" == evaluate.inputs["champion"].name
    for said in ('"commit": "c1"', '"parent": "v1.0"', '"verdict": "promote"', f'"run": "{run.id}"', '"author": "ann"'):
        assert said in package.inputs["lineage"].text
    record = house.control.training.show(run.id).training
    assert record.decision is not None
    assert ("promote", "v6.7", "v1.0") == (record.decision.kind, record.version, record.champion)
    assert "pending" == house.registry.get("v6.7").approval_status
    assert "v1.0" == house.registry.latest_name()


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        (evaluation(0.001, 0.003), "refuse: Brier score +0.0020"),
        (evaluation(-0.001, 0.003), "no evidence: Brier score"),
        (evaluation(labels=10), "hold: 10 of 1,000 labels known"),
    ],
)
def test_what_is_not_surely_better_is_not_registered(house: House, figures: dict[str, object], said: str) -> None:
    """The run ends as refused by a gate, with the reason; there is no package and no version."""
    house.steps.files["evaluation.json"] = figures
    run = trained(house)
    assert ("refused", 3, None) == (run.status, run.exit_code, run.model_version)
    assert run.reason.startswith(f"the gate says {said}")
    assert STEPS[:3] == [order.name for order in house.steps.ran]
    assert "v6.7" not in house.registry.versions


def test_a_step_that_fails_ends_the_run_and_a_resumed_one_goes_on(house: House) -> None:
    """The step's own words are the reason; what was done before is not repeated, on the same commit and months."""
    house.steps.failing["train"] = "no space left"
    run = trained(house, "2013-05", "2013-06")
    assert ("failed", "train failed: no space left") == (run.status, run.reason)
    house.steps.failing.clear()
    house.steps.there.append("2013-08")
    again = ended(house, house.control.retry(run.id, "bob").id)
    assert ("succeeded", "c1", run.id) == (again.status, again.commit, again.retry_of)
    assert STEPS == [order.name for order in house.steps.ran]
    record = house.control.training.show(again.id).training
    assert [True, False, False, False] == [step.reused for step in record.steps]
    assert record.window is not None
    assert ("2013-05", "2013-06") == (record.window.begin, record.window.end)


def test_the_same_model_is_no_new_version(house: House) -> None:
    """Trained again on the same data, the version that is there is named."""
    assert "v6.7" == trained(house).model_version
    house.registry.versions["v6.7"] = replace(house.registry.versions["v6.7"], digest=MODEL)
    assert "v6.7" == trained(house).model_version
    assert "v6.8" not in house.registry.versions


@pytest.mark.parametrize("last", range(1, 60, 4))
def test_a_training_outlives_its_control_plane(tmp_path: Path, last: int) -> None:
    """Killed at any of its writes, it is gone on with: each step ran once, and it ends as it would have."""
    before = House(tmp_path, last=last)
    try:
        before.control.training.start(None, None, "c1", "ann", "")
        wait_for(lambda: before.store.dead or not before.run("1").live)
    except BaseException:
        assert before.store.dead
    after = before.killed()
    try:
        if after.all_runs():
            assert "succeeded" == ended(after, "1").status
            assert STEPS == [order.name for order in after.steps.ran]
            steps = after.control.training.show("1").training.steps
            assert STEPS == [step.name for step in steps]
            assert "nothing has changed" not in " ".join(step.why for step in steps)
    finally:
        after.close()


def automatic(house: House, **model: object) -> None:
    """Whoever runs the daemon, and the commit, say that nobody has to approve."""
    described = {
        **DESCRIPTION,
        "model": {"name": "m", "training": {"tables": ["flights"], "approval": "automatic"}, **model},
    }
    house.app = house.described = App.model_validate(described)


def test_a_retraining_approves_itself_only_where_that_is_written(house: House) -> None:
    """By the commit and by whoever runs the daemon: one of the two is not enough."""
    automatic(house)
    both = house.app
    for house.app, house.described in ((both, APP), (APP, both)):
        assert "pending" == house.registry.versions[trained(house).model_version or ""].approval_status
    house.app = house.described = both
    version = house.registry.versions[trained(house).model_version or ""]
    assert ("approved", "shipway") == (version.approval_status, version.approval_by)
    assert version.approval_why is not None
    assert "the gate says promote: Brier score" in version.approval_why
    assert ("shipway", "approve model") == (house.control.audit(1)[0].who, house.control.audit(1)[0].action)


def test_what_approves_itself_goes_where_on_approval_says(house: House) -> None:
    """Whoever approves releases there; a rollout under way is told, and a person's no is respected."""
    house.release("c1")
    automatic(house, on_approval=["dev", "prod"])
    run = trained(house)
    promotion = house.control.training.show(run.id).training.promotion
    assert promotion is not None
    house.control.resume()
    assert ("shipway", run.model_version) == (house.until(promotion, "succeeded").by, house.registry.current)
    house.registry.versions["v6.7"] = replace(house.registry.versions["v6.7"], digest=MODEL)
    assert house.control.training.show(trained(house).id).training.promotion is None


def test_a_promotion_that_is_refused_leaves_the_approval(house: House) -> None:
    house.release("c1")
    automatic(house, on_approval=["dev"])
    house.store.change(EnvironmentRecord, "dev", lambda record: replace(record, rollout="9-dev"))
    run = trained(house)
    told = [event.text for event in house.store.events(run.id, 0)]
    assert any(text.startswith("not promoted: a rollout is under way in dev") for text in told)
    assert "succeeded" == run.status
    house.store.change(EnvironmentRecord, "dev", lambda record: replace(record, rollout=None))


def test_a_champion_that_learned_from_the_tested_month_is_no_opponent(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would know the answers: nothing is trained, and the month to wait for is named."""
    for until, status in (("2013-08-01", "refused"), ("2013-07-01", "succeeded"), ("soon", "succeeded")):
        described = {"lineage": {"data": {"until": until}}}
        monkeypatch.setattr(house.registry, "metadata", lambda version, found=described: found)
        run = trained(house)
        assert status == run.status
    first = house.control.training.list(9)[-1].run
    assert first.reason == "hold: the champion v1.0 learned from data until 2013-08-01, so 2013-07 says nothing of it"
    assert "--until 2013-08" in first.fix


def test_what_cannot_be_trained_is_said(house: House) -> None:
    """Months that are none, too little data, an app that trains nothing, a run that is no training."""
    desk = house.control.training
    for begin, end in (("May", None), ("2013-07", "2013-07")):
        with pytest.raises(UsageError):
            desk.start(begin, end, "c1", "ann", "")
    assert "no data of 2013-08" in trained(house, end="2013-08").reason
    house.steps.there = ["2013-07"]
    assert "hold: there are 1 months of data" in trained(house).reason
    with pytest.raises(UsageError, match="no training '77'"):
        desk.show("77")
    assert house.app.model is not None
    house.described = house.app.model_copy(update={"model": house.app.model.model_copy(update={"training": None})})
    with pytest.raises(UsageError, match="hello trains no model"):
        desk.start(None, None, "c1", "ann", "")


def test_a_training_that_runs_is_not_resumed(house: House) -> None:
    """It goes on by itself."""
    run = trained(house)
    house.store.change(Run, run.id, lambda record: replace(record, status="running"))
    with pytest.raises(Refused, match="has not ended"):
        house.control.training.resume(run.id, "ann")
    house.store.change(Run, run.id, lambda _: run)


SPACE = {"space": {"leaves": {"min": 7, "max": 127}}}


def describe(house: House, **training: object) -> None:
    """The app with more keys of `model.training`."""
    described = house.app.model_dump(mode="json")
    described["model"]["training"].update(training)
    house.described = type(house.app).model_validate(described)


@pytest.mark.parametrize(("asked", "trials"), [(None, "5"), (3, "3"), (0, None)])
def test_the_best_trial_s_parameters_are_trained_with(house: House, asked: int | None, trials: str | None) -> None:
    """As many trials as are asked for, by default those of shipway.yaml, none for 0; other parameters stay."""
    house.steps.files["tuning.json"] = tuning()
    describe(house, tuning={**SPACE, "trials": 5}, parameters={"rounds": 40})
    run = ended(house, house.control.training.start(None, None, "c1", "ann", "", asked).id)
    orders = {order.name: order for order in house.steps.ran}
    record = house.control.training.show(run.id).training
    if trials is None:
        assert ({"rounds": "40"}, None) == (orders["train"].hyperparameters, record.search)
        return
    assert ("--trials", trials) == orders["tune"].options[4:6]
    assert {"rounds": "40", "leaves": "63"} == orders["train"].hyperparameters
    assert record.search is not None
    assert (0.14, 0.15, True) == (record.search.brier, record.search.first, record.search.reproducible)
    again = house.control.training.show(ended(house, house.control.training.resume(run.id, "ann").id).id).training
    # a package says of which run it is
    assert (asked, [True] * 4 + [False]) == (again.trials, [step.reused for step in again.steps])


def test_several_trials_at_a_time_are_said_not_to_be_repeatable(house: House) -> None:
    """In the run's lines and in its record."""
    house.steps.files["tuning.json"] = tuning(jobs=2)
    describe(house, tuning=SPACE)
    run = ended(house, house.control.training.start(None, None, "c1", "ann", "", 3, 2).id)
    assert ("--jobs", "2") == next(order for order in house.steps.ran if order.name == "tune").options[-2:]
    record = house.control.training.show(run.id).training
    assert record.search is not None
    assert not record.search.reproducible
    assert any("cannot be repeated exactly" in event.text for event in house.store.events(run.id, 0))


@pytest.mark.parametrize(
    ("trials", "jobs", "said"),
    [(3, None, "there is nothing to search"), (None, 2, "there is nothing to search"), (-1, None, "--tune -1: allowed"),
     (3, 65, "--jobs 65: allowed is 1 to 64")],
)  # fmt: skip
def test_a_search_that_cannot_be_is_refused(house: House, trials: int | None, jobs: int | None, said: str) -> None:
    """Before a run is made of it."""
    with pytest.raises(UsageError, match=said):
        house.control.training.start(None, None, "c1", "ann", "", trials, jobs)
    assert [] == house.control.training.list(9)


def test_bias_is_held_to_what_the_champion_s_training_found(house: House) -> None:
    """If its result is still there; what is worse stands in the record."""
    describe(house, facets=["origin=EWR"])
    house.steps.files |= analysis("DPPL")
    first = house.control.training.show(trained(house).id).training
    assert first.bias is not None
    assert (first.version, "about service", None) == ("v6.7", first.bias.note, first.bias.worse)
    house.registry.promoted("v6.7")
    house.steps.files["evaluation.json"] = evaluation(-0.004, -0.002)
    second = house.control.training.show(trained(house, "2013-06").id).training
    bias = [order for order in house.steps.ran if order.name == "bias"][-1]
    assert "v6.7" == second.champion
    assert next(step for step in first.steps if step.name == "bias").digest == bias.inputs["baseline"].name
    assert second.bias is not None
    assert ("DPPL of origin=EWR: Value 0.3000",) == second.bias.worse


def test_each_step_says_why_it_ran(house: House) -> None:
    """The first time, unchanged, and with what changed since."""
    trained(house)
    describe(house, parameters={"rounds": 40})
    record = house.control.training.show(trained(house).id).training
    why = {step.name: step.why for step in record.steps}
    assert "nothing has changed since run 1" == why["prepare"]
    assert "changed since run 1: parameters" == why["train"]
    assert "changed since run 1: model" == why["evaluate"]


def test_two_trainings_of_one_instant_are_two_and_publish_one_model(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Started at once by several, on the same data: each has a run of its own, and there is one new version."""
    publish = house.registry.publish

    def published(*given: Any) -> ModelVersion:
        made = replace(publish(*given), digest=MODEL)
        house.registry.versions[made.version] = made
        return made

    monkeypatch.setattr(house.registry, "publish", published)
    started: list[Run] = []
    others = [
        Thread(target=lambda: started.append(house.control.training.start(None, None, "c1", "ann", "")))
        for _ in range(4)
    ]
    for other in others:
        other.start()
    for other in others:
        other.join(30)
    runs = [ended(house, run.id) for run in started]
    assert 4 == len({run.id for run in runs})
    assert {("succeeded", "v6.7")} == {(run.status, run.model_version) for run in runs}


def test_a_clock_that_is_set_back_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training of a day before is the newer one all the same: it is listed first, and finds what the other did."""
    real, ahead = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + ahead[0])
    house = House(tmp_path)
    try:
        first = trained(house)
        ahead[0] = -86_400.0
        second = trained(house)
        assert ("succeeded", "succeeded") == (first.status, second.status)
        assert second.created < first.created
        assert [second.id, first.id] == [one.run.id for one in house.control.training.list(9)]
        steps = house.control.training.show(second.id).training.steps
        assert ["nothing has changed since run 1"] * 3 == [step.why for step in steps[:3]]
    finally:
        house.close()
