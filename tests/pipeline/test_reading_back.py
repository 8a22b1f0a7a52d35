"""A rollout says that a release serves only after the tasks that serve have said so themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from shipway.core.observations.observation import Side, TaskReport
from tests.pipeline.house import House
from tests.pipeline.rolling import ROLLING, release, roll_out

Reports = Sequence[TaskReport]


@pytest.fixture
def served(house: House) -> House:
    """r1 serves dev."""
    roll_out(house, release("r1", ROLLING))
    return house


def report(house: House, change: Callable[[Reports], Reports]) -> None:
    """Let the tasks of the other side report something else than they would."""
    told = house.target.read_back

    def read_back(environment: str, side: Side) -> Reports:
        reports = told(environment, side)
        return change(reports) if side == "green" else reports

    house.target.read_back = read_back  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda reports: [reports[0], replace(reports[1], artifact="f" * 64)], "green-hello-1 (hello) serves ffffff, model v1.0"),
        (lambda reports: [replace(reports[0], ready=False), reports[1]], "green-hello-0 (hello) serves r20000, model v1.0"),
        (lambda reports: [reports[0], replace(reports[1], model_version="v0.9")], "green-hello-1 (hello) serves r20000, model v0.9"),
        (lambda reports: [reports[0], replace(reports[1], model_version=None)], "green-hello-1 (hello) serves r20000, model none"),
        (lambda reports: reports[:1], "1 tasks"),
        (lambda _: [], "0 tasks"),
    ],
    ids=["another artifact", "not ready", "another model", "no model", "too few", "nobody"],
)  # fmt: skip
def test_a_release_that_does_not_serve_everywhere_is_taken_back(
    served: House, change: Callable[[Reports], Reports], wrong: str
) -> None:
    """One task of two that serves something else is enough: stable has everything again, and the reason names it."""
    report(served, change)
    ended = roll_out(served, release("r2", ROLLING))
    assert ("rolled_back", f"dev does not serve r2: {wrong}") == (ended.state.phase, ended.state.reason)
    assert ("r1", ("green", 0)) == (served.rollouts.record_of("dev").stable, served.target.weights["dev"])
    assert {("dev", "blue"): ("r1", 2)} == served.target.running


def test_tasks_may_take_a_moment_to_say_what_they_serve(served: House) -> None:
    """What is wrong at the first look is read again within a bound."""
    looks: list[Reports] = []

    def late(reports: Reports) -> Reports:
        looks.append(reports)
        return reports if len(looks) > 2 else []

    report(served, late)
    assert "promoted" == roll_out(served, release("r2", ROLLING)).state.phase
    assert "dev read back: 2/2 tasks, digest and model match" in [e.text for e in served.store.events("1", 0)]


def test_a_release_without_a_model_is_read_back_by_its_artifacts(served: House) -> None:
    """Whatever model its tasks happen to tell of."""
    bare = replace(release("r2", ROLLING), model_version=None, model_digest=None, request_schema=None)
    served.target.reported = "v0.9"
    assert "promoted" == roll_out(served, bare).state.phase
    assert "dev read back: 2/2 tasks, digest matches" in [e.text for e in served.store.events("1", 0)]
