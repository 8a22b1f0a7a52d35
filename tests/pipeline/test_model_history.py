"""Which model served when and whose doing it was, at any past moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from shipway.core.errors import UsageError
from shipway.core.models.history import ModelHistory
from shipway.core.releases.run import Run
from shipway.core.rollouts.records import RolloutRecord
from shipway.core.training.probation import OnProbation
from shipway.core.views.models import ModelStay
from tests.pipeline.house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Dev and prod served v1.0; v1.1 was promoted in prod, then a commit was released, then v1.0 came back."""
    house = House(tmp_path)
    house.registry.trained = {"v1.1"}
    house.store.put("models", ModelHistory(("v1.0",)))
    house.release("c1")
    ended(house, house.control.models.promote("v1.1", ["prod"], "ann", "it won").run)
    house.release("c2")
    ended(house, house.control.models.roll_back(["prod"], "ann", "too late").run)
    yield house
    house.close()


def ended(house: House, run: Run | None) -> None:
    assert run is not None
    house.until(run.id, "succeeded")


def stays(house: House, environment: str | None = "prod", at: float | None = None) -> Sequence[ModelStay]:
    return house.control.models.history(environment, at)


def test_every_stay_says_who_and_why(house: House) -> None:
    """The newest first; a release that keeps the model is no new stay."""
    back, middle, first = stays(house)
    assert ["v1.0", "v1.1", "v1.0"] == [back.version, middle.version, first.version]
    assert (first.until, middle.until, None) == (middle.since, back.since, back.until)
    assert ("ann", "it won", "swap", False) == (middle.by, middle.why, middle.kind, middle.back)
    assert ("ann", "too late", True) == (back.by, back.why, back.back)
    assert ("bob", "rollout") == (first.by, first.kind)
    assert middle.origin is not None
    assert "1" == middle.origin.run
    assert {"dev", "prod"} == {stay.environment for stay in stays(house, None)}


def test_at_a_moment_one_version_served(house: House) -> None:
    """The end belongs to the next one; before the first release there was none."""
    back, middle, first = stays(house)
    for moment, version in ((first.since, "v1.0"), (middle.since, "v1.1"), (back.since - 0.001, "v1.1"), (9e9, "v1.0")):
        assert [version] == [stay.version for stay in stays(house, at=moment)]
    assert [] == stays(house, at=first.since - 1)


def test_what_answered_or_listened_beside_it_is_told(house: House) -> None:
    """A split while it lasted, the shadow, and a candidate that was being rolled out."""
    house.experiments.split("prod", ["v1.2=10%"], "ann", "")
    house.experiments.shadow("prod", "v1.3", 100.0, "ann", "")
    during = house.control.audit(1)[0].at
    house.experiments.end_split("prod", "ann", "")
    (stay,) = stays(house, at=during)
    assert "v1.2 answered 10 %, v1.3 100 % listened" == stay.beside
    (stay,) = stays(house, at=house.control.audit(1)[0].at)
    assert "v1.3 100 % listened" == stay.beside
    newest = max(house.store.all(RolloutRecord), key=lambda record: record.ended or 0.0)
    house.store.put("99-prod", replace(newest, id="99-prod", started=during - 0.001, ended=during + 0.001))
    (stay,) = stays(house, at=during)
    assert stay.beside.startswith("v1.0 was being rolled out, ")


def test_how_a_probation_ended_stands_beside_it(house: House) -> None:
    """As it was then: while it lasted, it went on."""
    _, middle, _ = stays(house)
    assert middle.until is not None
    ended = middle.until
    trial = OnProbation("x", "prod", "v1.1", "v1.0", middle.since, 9e9, ended=ended, outcome="over", reason="enough")
    house.store.put(trial.id, trial)
    assert "over: enough" == stays(house)[1].probation
    assert "goes on" == stays(house, at=middle.since + 0.0001)[0].probation
    assert "" == stays(house)[0].probation


def test_a_version_that_is_gone_is_no_fault(house: House) -> None:
    """Its stay is known all the same."""
    del house.registry.versions["v1.1"]
    middle = stays(house)[1]
    assert ("v1.1", None, None) == (middle.version, middle.origin, middle.decided)
    with pytest.raises(UsageError, match="no environment 'moon'"):
        stays(house, "moon")
