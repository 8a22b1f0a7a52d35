"""What is left when the database is lost."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from shipway.core.contract.wanted import Shadow
from shipway.core.errors import ShipwayError
from shipway.core.experiments.experiment import Experiment
from shipway.core.models.history import ModelHistory
from shipway.core.releases.release import Artifact, Release
from shipway.core.rollouts.records import EnvironmentRecord, SideRecord, Warm
from shipway.core.training.probation import OnProbation
from shipway.local.state.serving_copy import ServingCopy
from shipway.local.state.store import Store, is_damaged
from tests.pipeline.house import APP

Lost = Callable[[], Store]


def release(id: str) -> Release:
    artifact = Artifact("hello", id.ljust(64, "0"), "/tree")
    return Release(id, "c1", APP, {"hello": artifact}, model_version="v1.0", model_digest="d", created_at=1.0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "state.db")
    ServingCopy(tmp_path / "serving.json", made).follow()
    return made


@pytest.fixture
def lost(tmp_path: Path) -> Lost:
    """The database is gone, another one takes its place: filled from the copy."""

    def lose() -> Store:
        fresh = Store(tmp_path / "fresh.db")
        ServingCopy(tmp_path / "serving.json", fresh).recall()
        return fresh

    return lose


def test_what_serves_is_known_again(store: Store, lost: Lost) -> None:
    """Environments, sides, their releases, the models' history: as they were written last."""
    serving = EnvironmentRecord("prod", "green", ("r1", "r2"), Warm("blue", "r1", 99.0))
    side, warm = SideRecord("prod", "green", "r2", 2), SideRecord("prod", "blue", "r1", 2)
    with store.transaction():
        for id in ("r1", "r2"):
            store.put(id, release(id))
        store.put("prod-green", side)
        store.put("prod-blue", warm)
        store.put("models", ModelHistory(("v1.0",)))
        store.put("prod", serving)
    fresh = lost()
    assert [serving] == fresh.all(EnvironmentRecord)
    assert [warm, side] == fresh.all(SideRecord)
    assert [release("r1"), release("r2")] == fresh.all(Release)
    assert ModelHistory(("v1.0",)) == fresh.get(ModelHistory, "models")


def test_a_probation_goes_on(store: Store, lost: Lost) -> None:
    """With its shadow, which somebody has to end; those that ended are history."""
    goes_on = OnProbation("2-prod", "prod", "v1.1", "v1.0", 1.0, 99.0)
    store.put("1-prod", replace(goes_on, id="1-prod", ended=1.0, outcome="kept"))
    store.put("2-prod", goes_on)
    store.put("prod", Experiment("prod", "v1.1", shadow=Shadow("v1.0")))
    store.put("prod", EnvironmentRecord("prod", "green", ("r1", "r2")))
    fresh = lost()
    assert [goes_on] == fresh.all(OnProbation)
    assert [Shadow("v1.0")] == [experiment.shadow for experiment in fresh.all(Experiment)]


def test_a_rollout_under_way_is_over(store: Store, lost: Lost) -> None:
    """Only the side that served comes back; nobody knows where the candidate was."""
    store.put("prod-blue", SideRecord("prod", "blue", "r1", 2))
    store.put("prod-green", SideRecord("prod", "green", "r2", 2))
    store.put("prod", EnvironmentRecord("prod", "blue", ("r1",), rollout="12-prod"))
    fresh = lost()
    assert [EnvironmentRecord("prod", "blue", ("r1",))] == fresh.all(EnvironmentRecord)
    assert [SideRecord("prod", "blue", "r1", 2)] == fresh.all(SideRecord)


def test_no_number_is_given_twice(store: Store, lost: Lost) -> None:
    """Runs and releases go on counting where they were."""
    for _ in range(3):
        store.next_number("release")
    store.put("prod", EnvironmentRecord("prod"))
    assert (4, 1) == ((fresh := lost()).next_number("release"), fresh.next_number("run"))


def test_a_database_that_knows_better_is_left_alone(store: Store, tmp_path: Path) -> None:
    """The copy is for a database that knows of no environment."""
    store.put("prod", EnvironmentRecord("prod", "blue", ("r1",)))
    copied = (tmp_path / "serving.json").read_bytes()
    store.put("prod", EnvironmentRecord("prod", "green", ("r1", "r2")))
    (tmp_path / "serving.json").write_bytes(copied)
    assert [] == ServingCopy(tmp_path / "serving.json", store).recall()
    assert EnvironmentRecord("prod", "green", ("r1", "r2")) == store.get(EnvironmentRecord, "prod")


def test_a_change_that_was_undone_is_not_copied(store: Store, tmp_path: Path) -> None:
    """What a transaction took back never served."""
    before = (tmp_path / "serving.json").read_bytes()
    with contextlib.suppress(KeyError), store.transaction():
        store.put("prod", EnvironmentRecord("prod", "green", ("r9",)))
        raise KeyError
    store.put("other", ModelHistory())
    assert before == (tmp_path / "serving.json").read_bytes()


def test_a_damaged_copy_says_how_to_go_on(tmp_path: Path) -> None:
    """Garbage is a fault with a fix, as it is of the database."""
    (tmp_path / "serving.json").write_text("{")
    with pytest.raises(ShipwayError, match="is damaged") as error:
        ServingCopy(tmp_path / "serving.json", Store(tmp_path / "state.db")).recall()
    assert "shipway repair" == error.value.fix


def test_a_damaged_database_is_told_from_a_full_disk(tmp_path: Path) -> None:
    """Only the first is for `repair`; nothing, and a whole one, are not damaged."""
    path = tmp_path / "state.db"
    assert not is_damaged(path)
    Store(path).close()
    assert not is_damaged(path)
    path.write_bytes(b"garbage " * 1000)
    assert is_damaged(path)
    with pytest.raises(ShipwayError, match="what Shipway remembers, is damaged") as error:
        Store(path)
    assert "shipway repair" == error.value.fix
