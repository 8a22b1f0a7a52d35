"""Promoted models on probation: how it begins, what ends it, and that it outlives everything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shipway.core.contract.wanted import Shadow
from shipway.core.description.app import App
from shipway.core.errors import Refused, ShipwayError
from shipway.core.experiments.experiment import Experiment
from shipway.core.rollouts.records import EnvironmentRecord
from shipway.core.training.probation import OnProbation
from tests.doubles.training import evaluation
from tests.pipeline.house import DESCRIPTION, House
from tests.waiting import wait_for

WORSE, BETTER = evaluation(0.002, 0.006), evaluation(-0.004, -0.001)
FEW = evaluation(0.002, 0.006, labels=812)


def described(**probation: Any) -> App:
    """The app with promotions in prod on probation, looked at again and again."""
    training = {"tables": ["flights"], "probation": {"environments": ["prod"], "every": 1, **probation}}
    model = {"name": "m", "training": training, "monitor": {"label_sources": ["airline"]}}
    return App.model_validate({**DESCRIPTION, "model": model})


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Prod serves v1.0; a training has made v1.1."""
    house = House(tmp_path)
    house.app = house.described = described()
    house.registry.trained = {"v1.1", "v1.2"}
    house.release("c1")
    yield house
    house.close()


def promote(house: House, version: str = "v1.1", environment: str = "prod") -> None:
    run = house.control.models.promote(version, [environment], "ann", "it won").run
    assert run is not None
    house.until(run.id, "succeeded")


def tend(house: House, times: int = 1) -> None:
    """What the daemon does of itself, in a moment in which each look is due."""
    for _ in range(times):
        for trial in house.store.all(OnProbation):
            if trial.ended is None:
                ago = None if trial.looked is None else trial.looked - 60
                house.store.put(trial.id, replace(trial, since=trial.since - 60, looked=ago))
        house.control.probations.tend()


def trial_in(house: House) -> OnProbation | None:
    """What status shows of prod."""
    return next(one.probation for one in house.control.status().environments if one.name == "prod")


def shadow_in(house: House) -> Shadow | None:
    experiment = house.store.get(Experiment, "prod")
    return experiment.shadow if experiment is not None else None


def model_in(house: House, environment: str = "prod") -> str | None:
    return next(one.model_version for one in house.control.status().environments if one.name == environment)


def until_back(house: House) -> None:
    """The run that takes the model back has ended, and the probation with it."""
    trial = trial_in(house)
    assert trial is not None
    assert trial.run is not None
    house.until(trial.run, "succeeded")
    house.control.probations.tend()
    house.experiments.tend()


def test_a_promotion_of_a_trained_version_is_on_probation(house: House) -> None:
    """The version before it is the shadow, of every request; status, list and show say so."""
    promote(house)
    house.control.probations.tend()
    trial = trial_in(house)
    assert trial is not None
    assert ("v1.1", "v1.0", None) == (trial.version, trial.before, trial.ended)
    assert Shadow("v1.0", 100.0) == shadow_in(house)
    listed = {one.model.version: one.probation for one in house.control.models.list().models}
    assert (("prod",), ()) == (listed["v1.1"], listed["v1.0"])
    assert (trial,) == house.control.models.show("v1.1").probations == house.control.models.show("v1.0").probations
    assert "begin a probation" in [entry.action for entry in house.control.audit(5)]
    assert [] == house.monitoring.compared


def test_only_trained_versions_in_the_environments_that_are_named(house: House) -> None:
    """What somebody published by hand, or serves in dev, is not watched."""
    promote(house, environment="dev")
    promote(house, "v2.0")
    tend(house, 2)
    assert [] == house.store.all(OnProbation)
    assert shadow_in(house) is None


def test_a_surely_worse_model_is_taken_back(house: House) -> None:
    """By a promotion of the version before: recorded with its reason, and new releases take that one again."""
    promote(house)
    house.control.probations.tend()
    house.monitoring.evaluation = WORSE
    tend(house)
    environment, version, champion, (since, until), sources = house.monitoring.compared[0]
    assert ("prod", "v1.1", "v1.0", ("airline",)) == (environment, version, champion, sources)
    assert since < until
    until_back(house)
    trial = trial_in(house)
    assert trial is not None
    assert ("taken back", "v1.0", "v1.0") == (trial.outcome, model_in(house), house.registry.current)
    assert trial.reason.startswith("Brier score +0.0040 [+0.0020, +0.0060]: surely worse")
    assert trial.run is not None
    run = house.run(trial.run)
    assert ("shipway", f"on probation: {trial.reason}", True) == (run.by, run.why, run.back)
    told = [event.text for event in house.store.events(run.id, 0)]
    assert f"v1.1 was taken back: {trial.reason}" in told
    entries = {entry.action: entry for entry in house.control.audit(20)}
    assert ("shipway", trial.reason) == (entries["take a model back"].who, entries["take a model back"].why)
    assert shadow_in(house) is None


def test_new_releases_go_back_where_releases_are_approved(house: House) -> None:
    """What proves bad in dev alone does not decide what production gets next."""
    house.app = described(environments=["dev"])
    for environment in ("dev", "prod"):
        promote(house, environment=environment)
    house.control.probations.tend()
    house.monitoring.evaluation = WORSE
    tend(house)
    (trial,) = house.store.all(OnProbation)
    assert trial.run is not None
    house.until(trial.run, "succeeded")
    assert ("v1.0", "v1.1", "v1.1") == (model_in(house, "dev"), model_in(house, "prod"), house.registry.current)


def test_the_way_back_is_on_no_probation(house: House) -> None:
    """Or two windows of bad luck would swing a model to and fro. A person may promote it again, which is."""
    house.registry.trained.add("v1.0")
    promote(house)
    house.control.probations.tend()
    house.monitoring.evaluation = WORSE
    tend(house)
    until_back(house)
    tend(house, 2)
    assert 1 == len(house.store.all(OnProbation))
    promote(house)
    house.control.probations.tend()
    assert 2 == len(house.store.all(OnProbation))


def test_a_model_that_is_not_worse_stays(house: House) -> None:
    """The shadow ends with the probation, and nothing begins it anew."""
    promote(house)
    house.control.probations.tend()
    house.monitoring.evaluation = BETTER
    tend(house, 3)
    (trial,) = house.store.all(OnProbation)
    assert ("kept", "v1.1") == (trial.outcome, model_in(house))
    assert "not surely worse" in trial.reason
    assert (None, None) == (shadow_in(house), trial_in(house))
    assert 1 == len(house.monitoring.compared)


def test_too_few_labels_are_waited_for(house: House) -> None:
    """Each look is recorded with what it found; a program that fails is trouble, and no reason to end."""
    promote(house)
    house.control.probations.tend()
    house.monitoring.evaluation = FEW
    tend(house)
    trial = trial_in(house)
    assert trial is not None
    assert trial.verdict is not None
    assert ("wait", "812 of 1,000 labels known") == (trial.verdict.kind, trial.verdict.reason)
    house.monitoring.evaluation = ShipwayError("the monitoring program ended with 1")
    tend(house)
    trial = trial_in(house)
    assert trial is not None
    assert (None, "the monitoring program ended with 1") == (trial.ended, trial.trouble)
    house.monitoring.evaluation = BETTER
    tend(house)
    assert ["kept"] == [one.outcome for one in house.store.all(OnProbation)]


def test_a_look_is_due_once_in_its_time(house: House) -> None:
    """Not each second; and at once where the clock was set back, or where the time for labels has run out."""
    house.app = described(every="1h")
    promote(house)
    house.control.probations.tend()
    house.monitoring.evaluation = FEW
    house.control.probations.tend()
    assert 0 == len(house.monitoring.compared)
    (trial,) = house.store.all(OnProbation)
    for looks, record in enumerate(
        (replace(trial, since=trial.since - 3601), replace(trial, looked=trial.since + 9999)), start=1
    ):
        house.store.put(trial.id, record)
        house.control.probations.tend()
        house.control.probations.tend()
        assert looks == len(house.monitoring.compared)


@pytest.mark.parametrize(
    ("on_timeout", "outcome", "serves"), [("rollback", "taken back", "v1.0"), ("promote", "kept", "v1.1")]
)
def test_labels_that_never_come_end_it_too(house: House, on_timeout: str, outcome: str, serves: str) -> None:
    """As shipway.yaml says: by default nothing that is unproven stays."""
    house.app = described(on_timeout=on_timeout)
    promote(house)
    house.control.probations.tend()
    house.monitoring.evaluation = FEW
    (trial,) = house.store.all(OnProbation)
    house.store.put(trial.id, replace(trial, until=trial.since))
    tend(house)
    if outcome == "taken back":
        until_back(house)
    (trial,) = house.store.all(OnProbation)
    assert (outcome, serves) == (trial.outcome, model_in(house))
    assert "812 of 1,000 labels known" in trial.reason
    assert f"on_timeout says {on_timeout}" in trial.reason


def test_another_version_or_a_rollback_ends_it(house: House) -> None:
    """Whoever takes over has a probation of its own, if a training made it; a rollback has none."""
    promote(house)
    house.control.probations.tend()
    promote(house, "v1.2")
    house.experiments.tend()
    house.control.probations.tend()
    first, second = sorted(house.store.all(OnProbation), key=lambda trial: trial.since)
    assert ("over", "prod serves v1.2 now") == (first.outcome, first.reason)
    assert ("v1.2", "v1.1", None) == (second.version, second.before, second.ended)
    assert Shadow("v1.1") == shadow_in(house)
    run = house.control.models.roll_back(["prod"], "ann", "no").run
    assert run is not None
    house.until(run.id, "succeeded")
    tend(house, 2)
    assert ["over", "over"] == [trial.outcome for trial in house.store.all(OnProbation)]
    assert "v1.1" == model_in(house)


def test_a_release_with_the_same_model_goes_on_with_it(house: House) -> None:
    """Code that is deployed meanwhile is asked the same requests; the way back keeps that code."""
    promote(house)
    house.control.probations.tend()
    house.release("c2")
    house.monitoring.evaluation = FEW
    tend(house)
    trial = trial_in(house)
    assert trial is not None
    assert (None, Shadow("v1.0")) == (trial.ended, shadow_in(house))
    house.monitoring.evaluation = WORSE
    tend(house)
    until_back(house)
    assert ("c2", "v1.0") == (house.served("prod"), model_in(house))


def test_a_release_that_brings_the_model_is_a_promotion_as_well(house: House) -> None:
    house.control.models.promote_for_releases("v1.1", "ann", "")
    house.release("c2")
    house.control.probations.tend()
    trial = trial_in(house)
    assert trial is not None
    assert ("v1.1", "v1.0") == (trial.version, trial.before)


def test_a_person_ends_it_by_ending_the_shadow(house: House) -> None:
    """Another shadow, or the old version in a split, is refused until then; a split of others goes on beside it."""
    promote(house)
    house.control.probations.tend()
    with pytest.raises(Refused, match=r"the shadow of prod is v1\.0 until the probation of v1\.1 has ended"):
        house.experiments.shadow("prod", "v1.3", 100.0, "ann", "")
    with pytest.raises(Refused, match="a shadow answers none"):
        house.experiments.split("prod", ["v1.0=10%"], "ann", "")
    house.experiments.split("prod", ["v1.3=10%"], "ann", "curious")
    house.control.probations.tend()
    assert Shadow("v1.0") == shadow_in(house)
    with pytest.raises(Refused):
        house.experiments.end_shadow("prod", "bob", "")
    assert trial_in(house) is not None
    house.experiments.end_shadow("prod", "ann", "enough")
    tend(house, 2)
    (trial,) = house.store.all(OnProbation)
    assert ("over", "ann ended it: enough", None) == (trial.outcome, trial.reason, shadow_in(house))
    experiment = house.store.get(Experiment, "prod")
    assert experiment is not None
    assert (("v1.3", 10.0),) == experiment.split


def test_a_shadow_that_somebody_began_is_waited_for(house: House) -> None:
    """It is somebody's: the probation says why it does not get on, and takes the place once it is free."""
    promote(house)
    house.experiments.shadow("prod", "v1.3", 100.0, "ann", "mine")
    house.control.probations.tend()
    trial = trial_in(house)
    assert trial is not None
    assert "v1.3 is the shadow, which ann began" == trial.trouble
    assert Shadow("v1.3") == shadow_in(house)
    house.store.delete(Experiment, "prod")
    house.control.probations.tend()
    assert Shadow("v1.0") == shadow_in(house)


def test_nothing_is_taken_back_while_a_rollout_is_under_way(house: House) -> None:
    """Who comes of it is not known yet; afterwards it is looked at again."""
    promote(house)
    house.control.probations.tend()
    house.monitoring.evaluation = WORSE
    house.store.change(EnvironmentRecord, "prod", lambda record: replace(record, rollout="9-prod"))
    tend(house, 2)
    assert [] == house.monitoring.compared
    house.store.change(EnvironmentRecord, "prod", lambda record: replace(record, rollout=None))
    tend(house)
    until_back(house)
    assert "v1.0" == model_in(house)


def test_a_version_that_was_rejected_does_not_come_back(house: House) -> None:
    """The new one stays, which is said; nor is the old one archived while it may be needed."""
    for environment in ("dev", "prod"):
        promote(house, environment=environment)
    house.control.probations.tend()
    with pytest.raises(Refused, match=r"may have to come back in prod: v1\.1 is on probation there"):
        house.control.models.decide("v1.0", "archived", "ann", "old")
    house.registry.versions["v1.0"] = replace(house.registry.versions["v1.0"], approval_status="rejected")
    house.monitoring.evaluation = WORSE
    tend(house)
    trial = trial_in(house)
    assert trial is not None
    assert (None, None, "v1.1") == (trial.run, trial.ended, model_in(house))
    assert trial.trouble.startswith("v1.0 cannot come back: model v1.0 was rejected")


def test_an_environment_that_is_gone_keeps_no_version(house: House) -> None:
    """Nobody could end a probation in an environment that shipway.yaml has no more."""
    for environment in ("dev", "prod"):
        promote(house, environment=environment)
    house.control.probations.tend()
    house.app = house.app.model_copy(update={"environments": {"dev": house.app.environments["dev"]}})
    house.control.probations.tend()
    assert {()} == {one.probation for one in house.control.models.list().models}
    assert "archived" == house.control.models.decide("v1.0", "archived", "ann", "old").model.approval_status


def test_a_version_that_cannot_be_a_shadow_makes_none(house: House) -> None:
    """Damaged files, other features: the reason is kept, once."""
    house.registry.damaged.add("v1.0")
    promote(house)
    tend(house, 3)
    (trial,) = house.store.all(OnProbation)
    assert ("over", "model v1.0: model.txt has another sha256") == (trial.outcome, trial.reason)


def test_a_version_that_is_gone_is_on_none(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody can tell who made it; that is said once, and what else is watched goes on."""
    promote(house)
    del house.registry.versions["v1.1"]
    house.control.probations.tend()
    house.control.probations.tend()
    assert ["v1.1 in prod is on no probation: no model version 'v1.1'"] == caplog.messages
    assert [] == house.store.all(OnProbation)


def test_what_shipway_yaml_does_not_ask_for_any_more_ends(house: House) -> None:
    promote(house)
    house.control.probations.tend()
    house.app = described(environments=[])
    house.control.probations.tend()
    (trial,) = house.store.all(OnProbation)
    assert ("over", None) == (trial.outcome, shadow_in(house))


def test_a_way_back_that_fails_is_tried_again_in_its_time(house: House) -> None:
    """The new one serves on meanwhile, and the reason is shown."""
    promote(house)
    house.control.probations.tend()
    house.monitoring.evaluation = WORSE
    house.target.broken_models = frozenset({"v1.0"})
    tend(house)
    trial = trial_in(house)
    assert trial is not None
    assert trial.run is not None
    house.until(trial.run, "rolled_back")
    house.control.probations.tend()
    assert "v1.1" == model_in(house)
    house.target.broken_models = frozenset()
    tend(house)
    again = trial_in(house)
    assert again is not None
    assert again.run not in (None, trial.run)
    assert again.trouble.startswith("v1.0 could not be brought back: rolled back: model v1.0 is not served")
    until_back(house)
    assert "v1.0" == model_in(house)


@pytest.mark.parametrize("last", range(1, 46, 4))
def test_it_outlives_its_control_plane(house: House, last: int) -> None:
    """Killed at any of its writes, from the promotion's to the end of the way back, it ends as it would have."""
    promote(house)
    house.monitoring.evaluation = WORSE
    house.store._last = house.store.writes + last
    alive = house
    try:
        tend(house, 2)
        until_back(house)
    except BaseException:
        assert house.store.dead
    if house.store.dead:
        alive = house.killed()
    try:
        for _ in range(3):
            tend(alive)
            wait_for(lambda: not any(run.live for run in alive.all_runs()))
        alive.experiments.tend()
        (trial,) = alive.store.all(OnProbation)
        assert ("taken back", "v1.0") == (trial.outcome, model_in(alive))
        assert shadow_in(alive) is None
        assert 1 == sum(run.back for run in alive.all_runs())
    finally:
        if alive is not house:
            alive.close()
