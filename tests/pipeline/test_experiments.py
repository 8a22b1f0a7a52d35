"""Splits and shadows over a real store: who may begin and end them, and what the platform does by itself."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shipway.core.contract.distribution import Distribution
from shipway.core.contract.schema import Feature, Output
from shipway.core.contract.wanted import Shadow
from shipway.core.description.app import App, Guard
from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.core.events import Event
from shipway.core.experiments.experiment import Experiment
from shipway.core.experiments.figures import Counters, Figures, ShadowCounters, TaskFigures
from shipway.core.experiments.totals import WINDOW
from shipway.core.models.model_version import ModelVersion
from shipway.core.observations.observation import Lagging, Side, Traffic
from shipway.core.ports.target import Pace
from shipway.core.releases.release import Artifact, Release
from shipway.core.rollouts.records import EnvironmentRecord
from shipway.core.verdicts.traffic import judge
from shipway.local.state.store import Store
from shipway.pipeline.experiment_reports import stricter
from shipway.pipeline.experiments import Experiments
from shipway.pipeline.parts import Parts
from shipway.pipeline.rollouts import Rollouts
from tests.doubles.builder import FakeBuilder
from tests.doubles.target import FakeTarget
from tests.pipeline.house import APP, DESCRIPTION, House


class Registry:
    """Any version is there; v6.6 is damaged, v3.0 was rejected, v4.0 and v5.0 have other schemas, v5.1 another digest."""

    def verified(self, version: str) -> ModelVersion:
        if version == "v6.6":
            raise Refused("model v6.6: model.txt has another sha256")
        status = "rejected" if version == "v3.0" else "pending"
        schema = {"v4.0": "wider", "v5.0": "of minutes", "v5.1": "in other words"}.get(version, "schema")
        features = (Feature("temp", "number", True, (), 0.0, 150.0 if schema == "wider" else 100.0),)
        output = Output("minutes" if schema == "of minutes" else "probability")
        return ModelVersion(
            version, "m", "model.txt", f"digest of {version}", schema, "", "", "ann", status,
            features=features, output=output,
        )  # fmt: skip

    get = verified


class Bench:
    """Experiments joined as `wiring` would, with a clock of its own."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "state.db")
        self.app = APP
        self.now, self.passed = 1000.0, 0.0
        self.target = FakeTarget(lambda environment: self.store.get(Experiment, environment))
        self.target.pace = Pace(follow_look=0)
        rollouts = Rollouts(self.store, self.target, FakeBuilder(), self.clock, threading.Event())
        nothing: Any = None
        parts = Parts(
            store=self.store, models=Registry(), rollouts=rollouts, clock=self.clock,  # type: ignore[arg-type]
            source=nothing, builder=nothing, monitoring=nothing, secrets=nothing, features=nothing, history=nothing,
            training=nothing, bundles=nothing, offerings=nothing, reports=nothing,
            read_app=lambda _: self.app, operator_app=lambda: self.app,
        )  # fmt: skip
        self.parts = parts
        self.experiments = self.restarted()
        for environment in ("dev", "prod"):
            self.serve(environment, "r1", "v1.1")
        self.target.texts.clear()

    def restarted(self) -> Experiments:
        """What a next daemon would have."""
        return Experiments(self.parts, self.target, threading.Event(), self.steady)

    def clock(self) -> float:
        self.now += 0.01
        return self.now

    def steady(self) -> float:
        self.passed += 0.01
        return self.passed

    def serve(self, environment: str, id: str, version: str | None) -> None:
        """The environment serves a release with this model version."""
        artifacts = {"hello": Artifact("hello", "0" * 64, "/tree")}
        release = Release(id, "c", self.app, artifacts, version, f"digest of {version}", "schema")
        self.store.put(id, release)
        self.store.put(environment, EnvironmentRecord(environment, history=(id,)))
        # What tasks count is what the test tells.
        self.target.mute |= {id}
        self.target.prepare(environment, "blue", release)
        self.target.scale(environment, "blue", release, 1)

    def tell(self, experiment: Experiment, task: str = "task", epoch: str = "e", **versions: Counters) -> None:
        """From now on the task counts these figures; `v1_2` stands for v1.2."""
        counted = {name.replace("_", "."): counters for name, counters in versions.items()}
        self.target.told[task] = TaskFigures(
            task, epoch, experiment.shares, experiment.shadow and experiment.shadow.version, Figures(counted)
        )

    def release(self, id: str) -> Release:
        found = self.store.get(Release, id)
        assert found is not None
        return found

    def recorded(self, environment: str = "prod") -> Experiment | None:
        return self.store.get(Experiment, environment)

    def audited(self) -> list[tuple[str, str]]:
        return [(entry.who, entry.action) for entry in reversed(self.store.audit(50))]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def counted(requests: int, errors: int = 0, mean: float = 0.3) -> Counters:
    """A version's figures."""
    predictions = Distribution(requests, requests * mean, ((mean, mean + 0.01, requests),) if requests else ())
    return Counters(
        requests, errors, Distribution(requests, 0.005 * requests, ((0.005, 0.005, requests),)), predictions
    )


def test_a_split_is_asked_for_shown_and_ended(bench: Bench) -> None:
    """Tasks follow each change; all of it is audited and told."""
    report = bench.experiments.split("prod", ["v1.2=10%", "v2.0=5"], "ann", "is it better?")
    assert {"v1.1": 85.0, "v1.2": 10.0, "v2.0": 5.0} == {v.version: v.percent for v in report.versions}
    bench.experiments.split("prod", ["v1.2=20%"], "ann", "more")
    assert (("v1.2", 20.0),) == bench.experiments.show("prod").experiment.split
    assert not bench.experiments.end_split("prod", "ann", "enough").versions
    assert [
        '{"version": "v1.1", "split": {"v1.2": 10.0, "v2.0": 5.0}}',
        '{"version": "v1.1", "split": {"v1.2": 20.0}}',
        "v1.1",
    ] == bench.target.texts
    assert [("ann", "split the model")] * 2 + [("ann", "end the split")] == bench.audited()
    assert (None, None) == (bench.recorded(), bench.experiments.last_report("prod"))


def test_ending_what_is_not_there_changes_nothing(bench: Bench) -> None:
    """Stopping what is stopped is no error."""
    bench.experiments.end_split("prod", "ann", "")
    bench.experiments.end_shadow("prod", "ann", "")
    assert ([], []) == (bench.audited(), bench.target.texts)


def test_a_shadow_stands_beside_a_split(bench: Bench) -> None:
    """Each is changed and ended by itself; no version is both."""
    bench.experiments.split("prod", ["v1.2=10%"], "ann", "")
    bench.experiments.shadow("prod", "v1.3", 50.0, "ann", "")
    with pytest.raises(Refused, match="answers requests in prod already"):
        bench.experiments.shadow("prod", "v1.2", 100.0, "ann", "")
    with pytest.raises(Refused, match="answers requests in prod already"):
        bench.experiments.split("prod", ["v1.3=10%"], "ann", "")
    bench.experiments.end_split("prod", "ann", "")
    assert '{"version": "v1.1", "shadow": {"version": "v1.3", "percent": 50.0}}' == bench.target.texts[-1]
    bench.experiments.end_shadow("prod", "ann", "")
    assert "v1.1" == bench.target.texts[-1]


@pytest.mark.parametrize(
    ("shares", "error", "message"),
    [
        (["v6.6=10%"], Refused, "another sha256"),
        (["v3.0=10%"], Refused, "was rejected"),
        (["v4.0=10%"], Refused, "v4.0 can't share requests with v1.1: temp ends at 150, not at 100"),
        (["v5.0=10%"], Refused, "v5.0 can't share requests with v1.1: its output is minutes, not probability"),
        (["v1.1=10%"], UsageError, "prod serves v1.1 itself"),
        (["v1.2=101%"], UsageError, "101 %"),
    ],
)
def test_a_version_that_does_not_fit_is_refused(
    bench: Bench, shares: list[str], error: type[ShipwayError], message: str
) -> None:
    """Nothing is recorded, and no task hears of it."""
    with pytest.raises(error) as caught:
        bench.experiments.split("prod", shares, "ann", "")
    assert message in caught.value.what
    assert (None, []) == (bench.recorded(), bench.target.texts)


def test_a_schema_in_other_words_is_no_other_schema(bench: Bench) -> None:
    """Versions whose schemas have other digests, but say the same but for descriptions, answer side by side."""
    bench.experiments.split("prod", ["v5.1=10%"], "ann", "")
    assert '{"version": "v1.1", "split": {"v5.1": 10.0}}' == bench.target.texts[-1]


def test_who_may_change_the_model_may_split_it(bench: Bench) -> None:
    """The environment's roles, as for a promotion."""
    bench.experiments.split("dev", ["v1.2=10%"], "bob", "")
    for change in (
        lambda: bench.experiments.split("prod", ["v1.2=10%"], "bob", ""),
        lambda: bench.experiments.shadow("prod", "v1.2", 100.0, "bob", ""),
        lambda: bench.experiments.end_split("prod", "bob", ""),
    ):
        with pytest.raises(Refused, match="bob may not"):
            change()
    with pytest.raises(UsageError, match="no environment 'test'"):
        bench.experiments.show("test")


def test_where_nothing_from_the_bucket_serves_there_is_nothing_to_split(bench: Bench) -> None:
    """An environment without a release, and one whose model is baked in."""
    bench.serve("prod", "r2", None)
    with pytest.raises(Refused, match="no model from the bucket"):
        bench.experiments.split("prod", ["v1.2=10%"], "ann", "")
    bench.store.delete(EnvironmentRecord, "prod")
    with pytest.raises(Refused, match="serves nothing yet"):
        bench.experiments.split("prod", ["v1.2=10%"], "ann", "")


def test_a_rollout_under_way_comes_first(bench: Bench) -> None:
    """A split waits for its end; to end one is always possible."""
    bench.experiments.split("prod", ["v1.2=10%"], "ann", "")
    bench.store.change(EnvironmentRecord, "prod", lambda record: replace(record, rollout="7-prod"))
    with pytest.raises(Refused, match="prod is changing: a rollout is under way"):
        bench.experiments.split("prod", ["v1.2=20%"], "ann", "")
    bench.experiments.end_split("prod", "ann", "")
    assert "v1.1" == bench.target.texts[-1]
    bench.store.change(EnvironmentRecord, "prod", lambda record: replace(record, rollout=None))
    assert bench.store.take_lock("prod", "8-prod", time.monotonic(), 30) is None
    with pytest.raises(Refused, match="prod is changing: 8-prod is at work there"):
        bench.experiments.split("prod", ["v1.2=20%"], "ann", "")


def test_a_candidate_that_tasks_refuse_is_taken_back(bench: Bench) -> None:
    """What was so before is so again, and the tasks' reason is told."""
    bench.experiments.split("prod", ["v1.2=10%"], "ann", "")
    bench.target.broken_models = frozenset({"v2.0"})
    began = bench.passed
    with pytest.raises(ShipwayError, match="not every task of prod follows: blue-hello-0 refuses: broken"):
        bench.experiments.split("prod", ["v2.0=10%"], "ann", "")
    assert bench.target.pace.refusal < bench.passed - began < bench.target.pace.refusal + 1
    experiment = bench.recorded()
    assert experiment is not None
    assert (("v1.2", 10.0),) == experiment.split
    assert '{"version": "v1.1", "split": {"v1.2": 10.0}}' == bench.target.texts[-1]
    assert ("shipway", "split the model: taken back") == bench.audited()[-1]


def test_tasks_have_their_time_while_somebody_sets_the_clock(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is set by an hour ends no wait: the task that loads a version meanwhile follows."""
    looks, lagging = itertools.count(1), bench.target.lagging

    def look(environment: str, side: Side | None = None) -> Sequence[Lagging]:
        bench.target.slow = next(looks) < 5
        bench.now += 3600
        return lagging(environment, side)

    monkeypatch.setattr(bench.target, "lagging", look)
    report = bench.experiments.split("prod", ["v1.2=10%"], "ann", "")
    assert {"v1.1": 90.0, "v1.2": 10.0} == {version.version: version.percent for version in report.versions}


def test_ending_is_recorded_even_where_a_task_does_not_answer(bench: Bench) -> None:
    """It reads what is recorded when it comes to itself."""
    bench.experiments.split("prod", ["v1.2=10%"], "ann", "")
    bench.target.slow = True
    with pytest.raises(ShipwayError) as caught:
        bench.experiments.end_split("prod", "ann", "")
    assert "it is recorded; every task follows as soon as it can" == caught.value.state
    assert (None, "v1.1") == (bench.recorded(), bench.target.texts[-1])


def test_a_bad_candidate_is_taken_out_at_once(bench: Bench) -> None:
    """By its errors or by its predictions; the others stay, and why is remembered."""
    experiment = bench.experiments.split("prod", ["v1.2=10%", "v1.3=10%"], "ann", "").experiment
    bench.tell(experiment, v1_1=counted(1000), v1_2=counted(100, errors=50), v1_3=counted(100))
    bench.experiments.tend()
    experiment = bench.recorded() or experiment
    assert (("v1.3", 10.0),) == experiment.split
    assert [("v1.2", 10.0)] == [(stopped.version, stopped.percent) for stopped in experiment.stopped]
    assert "failed 50 of 100 requests (50 %, stable 0 %)" in experiment.stopped[0].reason
    assert ("shipway", "take a model out") == bench.audited()[-1]
    assert '{"version": "v1.1", "split": {"v1.3": 10.0}}' == bench.target.texts[-1]

    bench.tell(experiment, epoch="e2", v1_1=counted(1000), v1_3=counted(400, mean=0.8))
    bench.experiments.tend()
    experiment = bench.recorded() or experiment
    assert ((), "v1.1") == (experiment.split, bench.target.texts[-1])
    assert "predictions shifted" in experiment.stopped[1].reason
    report = bench.experiments.last_report("prod")
    assert report is not None
    assert experiment.stopped == report.experiment.stopped

    bench.experiments.split("prod", ["v1.2=5%"], "ann", "mended")
    assert ["v1.3"] == [stopped.version for stopped in bench.experiments.show("prod").experiment.stopped]
    bench.experiments.end_split("prod", "ann", "")
    assert bench.recorded() is None


def test_a_good_candidate_waits_for_a_person(bench: Bench) -> None:
    """It is shown as one to promote, and nothing is done."""
    experiment = bench.experiments.split("prod", ["v1.2=10%"], "ann", "").experiment
    bench.tell(experiment, v1_1=counted(5000), v1_2=counted(500))
    bench.experiments.tend()
    report = bench.experiments.last_report("prod")
    assert report is not None
    verdict = report.versions[1].verdict
    assert verdict is not None
    assert "promote" == verdict.kind
    assert experiment == bench.recorded()


def test_the_bounds_that_were_let_in_last_hold(bench: Bench) -> None:
    """Also where the release that brought them changed nothing else, so that nothing was rolled out."""
    experiment = bench.experiments.split("prod", ["v1.2=10%"], "ann", "").experiment
    bench.tell(experiment, v1_1=counted(1000), v1_2=counted(400, mean=0.8))
    app = App.model_validate(DESCRIPTION | {"model": {"name": "m", "quality": {"max_prediction_shift": 100}}})
    bench.store.put("r9", replace(bench.release("r1"), id="r9", app=app))
    bench.store.change(EnvironmentRecord, "prod", lambda record: replace(record, described_by="r9"))
    bench.experiments.tend()
    assert experiment == bench.recorded()


def test_a_disagreeing_shadow_is_told_and_left(bench: Bench) -> None:
    """It has no clients, so there is nothing to take back."""
    experiment = bench.experiments.shadow("prod", "v1.3", 100.0, "ann", "").experiment
    figures = Figures({"v1.1": counted(500)}, ShadowCounters(compared=500, disagreements=300))
    bench.target.told["task"] = TaskFigures("task", "e", experiment.shares, "v1.3", figures)
    bench.experiments.tend()
    report = bench.experiments.last_report("prod")
    assert report is not None
    assert report.shadow is not None
    assert "rollback" == report.shadow.verdict.kind
    assert "300 of 500 rows disagree" in report.shadow.verdict.reason
    assert (experiment, Shadow("v1.3", 100.0)) == (bench.recorded(), experiment.shadow)


def test_a_task_that_comes_back_without_the_candidate_is_told_once(bench: Bench) -> None:
    """With its reason, not while somebody waits for the tasks anyway, and again when it refuses anew."""
    bench.experiments.split("prod", ["v1.2=10%"], "ann", "")
    told: list[Event] = []
    bench.store.add_event = told.append  # type: ignore[method-assign,assignment]
    bench.target.broken_models = frozenset({"v1.2"})
    bench.target.restart("prod", "blue")
    bench.experiments.tend()
    assert [] == told
    bench.now += bench.target.pace.follow
    for refused in ("v1.2", "v1.2", "", "v1.2"):
        bench.target.broken_models = frozenset({refused})
        bench.target.restart("prod", "blue")
        bench.experiments.tend()
    text = "blue-hello-0 does not follow v1.1 90 %, v1.2 10 %: it refuses: broken"
    assert [("fail", text, "prod")] * 2 == [(event.kind, event.text, event.environment) for event in told]
    assert (("v1.2", 10.0),) == bench.experiments.show("prod").experiment.split


def test_a_task_that_comes_back_without_the_candidate_no_longer_follows(bench: Bench) -> None:
    """What it told before still counts, what it counts now does not."""
    experiment = bench.experiments.split("prod", ["v1.2=10%"], "ann", "").experiment
    bench.tell(experiment, "one", "e1", v1_2=counted(10))
    assert 1 == bench.experiments.show("prod").tasks
    bench.tell(Experiment("prod", "v1.1"), "one", "e2", v1_1=counted(1000))
    report = bench.experiments.show("prod")
    assert (0, 10) == (report.tasks, report.versions[1].requests)
    bench.tell(experiment, "one", "e3", v1_2=counted(5))
    report = bench.experiments.show("prod")
    assert (1, 15) == (report.tasks, report.versions[1].requests)


def test_figures_outlive_the_tasks_that_counted_them(bench: Bench) -> None:
    """A task that began anew, and one that went, count what they had; one that follows something else counts nothing."""
    experiment = bench.experiments.split("prod", ["v1.2=10%"], "ann", "").experiment
    tell = bench.tell
    tell(experiment, "one", "e1", v1_2=counted(10))
    tell(experiment, "two", "e2", v1_2=counted(20))
    tell(replace(experiment, split=(("v1.2", 5.0),)), "three", "e3", v1_2=counted(1000))
    assert 30 == bench.experiments.show("prod").versions[1].requests
    tell(experiment, "one", "e4", v1_2=counted(5))
    del bench.target.told["two"]
    assert 35 == bench.experiments.show("prod").versions[1].requests
    bench.target.told["one"] = TaskFigures("one")
    assert 35 == bench.experiments.show("prod").versions[1].requests
    tell(experiment, "one", "e4", v1_2=counted(6))
    report = bench.experiments.show("prod")
    assert (36, 1) == (report.versions[1].requests, report.tasks)
    again = bench.restarted()
    assert 6 == again.show("prod").versions[1].requests


def test_a_candidate_that_goes_bad_after_days_is_noticed_by_its_last_minute(bench: Bench) -> None:
    """A million good requests do not hide a hundred bad ones."""
    experiment = bench.experiments.split("prod", ["v1.2=10%"], "ann", "").experiment
    bench.tell(experiment, v1_1=counted(9_000_000), v1_2=counted(1_000_000))
    bench.experiments.tend()
    bench.now += WINDOW + 1
    bench.experiments.tend()
    assert experiment == bench.recorded()
    bench.tell(experiment, v1_1=counted(9_000_900), v1_2=counted(1_000_100, errors=60))
    bench.experiments.tend()
    experiment = bench.recorded() or experiment
    assert "lately failed 60 of 100 requests" in experiment.stopped[0].reason


def test_minutes_of_equal_versions_are_not_called_bad() -> None:
    """Looked at again and again for hours, at an error rate just below what is allowed."""
    chance = random.Random(5)
    alert = stricter(Guard())
    for _ in range(300):
        candidate = stable = Traffic(epoch="e")
        for _ in range(5):
            failed, base = (sum(chance.random() < 0.045 for _ in range(n)) for n in (40, 360))
            candidate = replace(candidate, requests=candidate.requests + 40, errors=candidate.errors + failed)
            stable = replace(stable, requests=stable.requests + 360, errors=stable.errors + base)
            assert "rollback" != judge(alert, candidate, stable, seen_in_step=candidate.requests).kind


def test_another_model_in_the_environment_ends_the_experiment(bench: Bench) -> None:
    """As soon as its rollout is over: the candidate that was promoted, or whatever a deploy brought."""
    bench.experiments.split("prod", ["v1.2=10%"], "ann", "")
    bench.serve("prod", "r2", "v1.2")
    bench.store.change(EnvironmentRecord, "prod", lambda record: replace(record, rollout="9-prod"))
    bench.experiments.tend()
    assert bench.recorded() is not None
    bench.store.change(EnvironmentRecord, "prod", lambda record: replace(record, rollout=None))
    bench.experiments.tend()
    assert (None, ("shipway", "end the experiment")) == (bench.recorded(), bench.audited()[-1])
    assert "v1.2" == bench.experiments.show("prod").experiment.wanted.text()


def test_a_release_with_the_same_model_carries_the_split_on(bench: Bench) -> None:
    """Code and model change independently."""
    experiment = bench.experiments.split("prod", ["v1.2=10%"], "ann", "").experiment
    bench.serve("prod", "r2", "v1.1")
    bench.experiments.tend()
    assert experiment == bench.recorded()


def test_one_environment_in_trouble_does_not_keep_the_others_waiting(bench: Bench) -> None:
    """Every experiment is looked at; then the trouble is told."""
    bench.experiments.split("dev", ["v1.2=10%"], "ann", "")
    experiment = bench.experiments.split("prod", ["v1.2=10%"], "ann", "").experiment
    bench.tell(experiment, v1_1=counted(1000), v1_2=counted(100, errors=50))
    baked = {"path": "hello", "command": "run", "routes": ["/*"], "baked": "models"}
    app = App.model_validate(DESCRIPTION | {"services": {"hello": baked}})
    bench.store.put("r3", replace(bench.release("r1"), id="r3", app=app))
    bench.store.put("dev", EnvironmentRecord("dev", history=("r3",)))
    with pytest.raises(Refused, match="dev serves no model"):
        bench.experiments.tend()
    experiment = bench.recorded() or experiment
    assert () == experiment.split


def test_what_happens_is_told_as_events(bench: Bench) -> None:
    """Each with its environment."""
    told: list[Event] = []
    bench.store.add_event = told.append  # type: ignore[method-assign,assignment]
    experiment = bench.experiments.split("prod", ["v1.2=10%"], "ann", "").experiment
    bench.tell(experiment, v1_1=counted(1000), v1_2=counted(100, errors=50))
    bench.experiments.tend()
    assert [("note", "prod"), ("fail", "prod")] == [(event.kind, event.environment) for event in told]
    assert "split the model: v1.1 90 %, v1.2 10 %" == told[0].text
    assert told[1].text.startswith("took v1.2 (10 %) out of the split: failed 50 of 100")


def test_of_a_split_one_version_may_become_all(house: House) -> None:
    """Another one is refused with what to do; on the way back nothing stands in the way."""
    house.release("c1")
    for version in ("v1.0", "v1.1"):
        run = house.control.models.promote(version, [], "ann", "").run
        assert run is not None
        house.until(run.id, "succeeded")
    house.store.put("prod", Experiment("prod", "v1.1", (("v1.2", 10.0),)))
    with pytest.raises(Refused, match="prod is split between"):
        house.control.models.promote("v1.3", ["prod"], "ann", "")
    run = house.control.models.promote("v1.2", ["prod"], "ann", "it is better").run
    assert run is not None
    house.until(run.id, "succeeded")
    back = house.control.models.roll_back([], "ann", "it is not").run
    assert back is not None
    house.until(back.id, "succeeded")


def test_a_candidate_serves_so_it_is_not_put_away(house: House) -> None:
    """Who answers a part of the clients is in use."""
    house.release("c1")
    house.store.put("prod", Experiment("prod", "v1.0", (("v1.2", 10.0),)))
    assert ("prod",) == house.control.models.serving()["v1.2"]
    with pytest.raises(Refused, match=r"model v1\.2 serves in prod"):
        house.control.models.decide("v1.2", "archived", "ann", "old")
