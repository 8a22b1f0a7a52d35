"""What a run hears before it enters an environment: go, wait for somebody, or that its time has passed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shipway.core.errors import Superseded
from shipway.core.releases.release import Artifact, Release
from shipway.core.releases.run import Run
from shipway.core.rollouts.records import EnvironmentRecord
from shipway.pipeline.run_records import RunRecords
from shipway.pipeline.waits import Waits
from tests.pipeline.house import APP, House

OLDER = Run("1", "deploy", "c1", "first", "develop", ("dev",), "bob", 1.0, enters="dev")
NEWER = Run("2", "deploy", "c2", "second", "develop", ("dev",), "bob", 2.0, enters="dev")
SERVED = replace(NEWER, status="succeeded", done=("dev",), enters=None)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Nobody carries these runs out."""
    house = House(tmp_path)
    yield house
    house.store.close()


def said(house: House, run: Run, *others: Run) -> str | None:
    for each in (run, *others):
        house.store.put(each.id, each)
    return Waits(house.parts, RunRecords(house.store, time.time)).before_turn(run.id, "dev")


def serve(house: House, commit: str) -> None:
    artifact = Artifact("hello", commit.ljust(64, "0"), "/tree")
    house.store.put("r1", Release("r1", commit, APP, {"hello": artifact}, "v1.0", "digest", "schema"))
    house.store.put("dev", EnvironmentRecord("dev", "blue", ("r1",)))


def test_a_run_alone_enters(house: House) -> None:
    """Nobody is before it, and nothing newer serves."""
    assert said(house, OLDER, replace(NEWER, status="failed")) is None


def test_a_run_waits_for_the_one_that_goes_first(house: House) -> None:
    """The newer of two that are ready goes in; the older one says for whom it waits."""
    assert "run 2 goes first" == said(house, OLDER, NEWER)


def test_a_run_is_superseded_when_its_turn_comes_after_a_newer_one_served(house: House) -> None:
    """It ends before it touches the environment, and says how to bring it all the same."""
    with pytest.raises(Superseded, match="run 2 has brought a newer commit to dev") as refusal:
        said(house, OLDER, SERVED)
    assert "shipway deploy --env dev c1 brings this one all the same" == refusal.value.fix


def test_a_run_does_not_take_an_environment_back_to_a_commit_that_is_in_what_serves(house: House) -> None:
    """A run for another destination has brought a newer commit there: going back takes a person's word."""
    serve(house, "c2")
    with pytest.raises(Superseded, match="dev serves c2 by now, which is newer than c1"):
        said(house, replace(OLDER, path=("dev", "prod")), SERVED)


def test_a_run_of_another_line_enters_over_what_serves(house: House) -> None:
    """Its commit is in nothing that serves: it does not go back to anything."""
    serve(house, "c2")
    assert said(house, replace(OLDER, commit="d1", path=("dev", "prod")), SERVED) is None
