"""Whose turn it is in an environment, and which runs a newer commit makes pointless."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shipway.core.releases.gates import Turn, is_heading_for, makes_pointless, needs_new_approval, superseding, turn_of
from shipway.core.releases.run import Gate, Run

GATE = Gate("prod", ("lead",), 0, 60)
OLDER = Run("9", "deploy", "c1", "first", "main", ("dev", "prod"), "bob", 1.0)
NEWER = Run("10", "deploy", "c2", "second", "main", ("dev", "prod"), "bob", 2.0)
TO_DEV = Run("11", "deploy", "c3", "third", "develop", ("dev",), "bob", 3.0)
BACK = Run("12", "rollback", "", "roll back r5", None, ("dev",), "bob", 4.0, enters="dev")


def ready(run: Run, environment: str = "dev") -> Run:
    return replace(run, enters=environment)


def at_gate(run: Run) -> Run:
    return replace(run, status="waiting", gate=GATE, done=("dev",))


def waits_for(run: Run, *others: Run, environment: str = "dev", at_work: str | None = None) -> str | None:
    turn = turn_of(run, environment, [run, *others], at_work)
    return turn.other.id if turn.kind == "wait" and turn.other is not None else None


def test_a_newer_order_makes_an_older_one_pointless() -> None:
    """Ten comes after nine, though not in the alphabet; what failed, or goes elsewhere, makes nothing pointless."""
    assert makes_pointless(NEWER, OLDER)
    assert not makes_pointless(OLDER, NEWER)
    assert not makes_pointless(replace(NEWER, status="failed"), OLDER)
    assert not makes_pointless(replace(NEWER, kind="rollback"), OLDER)
    assert not makes_pointless(TO_DEV, OLDER)


def test_a_retry_is_as_old_as_what_it_retries() -> None:
    """A retry of an old commit takes the place of nothing newer, though its number is higher."""
    retried = replace(OLDER, id="20", retry_of="15", asked="9")
    assert makes_pointless(NEWER, retried)
    assert not makes_pointless(retried, NEWER)
    assert makes_pointless(retried, OLDER)


def test_runs_enter_in_the_order_of_their_numbers() -> None:
    """A run of another branch waits for the older one, and that one for nobody."""
    assert OLDER.id == waits_for(ready(TO_DEV), ready(OLDER))
    assert waits_for(ready(OLDER), ready(TO_DEV)) is None


def test_a_run_waits_for_an_older_one_that_is_still_being_built() -> None:
    """What was asked for last serves in the end, however long the tests of the one before last."""
    assert OLDER.id == waits_for(ready(TO_DEV), OLDER)


@pytest.mark.parametrize(
    "older",
    [
        at_gate(OLDER),
        replace(OLDER, status="waiting", gate=replace(GATE, environment="dev")),
        replace(OLDER, done=("dev",)),
        replace(OLDER, status="failed"),
        replace(OLDER, path=("prod",)),
    ],
    ids=["waits for a person", "waits for a person there", "was there", "ended", "goes elsewhere"],
)
def test_nobody_waits_for_a_run_that_does_not_come(older: Run) -> None:
    """A run that waits for a person, or has nothing to do there, is in nobody's way."""
    assert waits_for(ready(TO_DEV), older) is None


def test_of_the_ready_ones_with_one_destination_the_newest_goes_in() -> None:
    """The older ones wait for what becomes of it; a third branch's queues by its own number."""
    assert NEWER.id == waits_for(ready(OLDER), ready(NEWER))
    assert waits_for(ready(NEWER), ready(OLDER)) is None
    assert waits_for(ready(NEWER), OLDER) is None
    assert NEWER.id == waits_for(ready(TO_DEV), ready(OLDER), ready(NEWER))


def test_none_is_passed_over_while_another_branch_s_run_stands_between() -> None:
    """Should the newest fail, the one passed over would come after the other branch's, which was asked for later."""
    between, newest = replace(TO_DEV, id="10"), ready(replace(NEWER, id="11"))
    for other in (between, ready(between)):
        assert waits_for(ready(OLDER), other, newest) is None
        assert OLDER.id == waits_for(ready(between), ready(OLDER), newest)
        assert OLDER.id == waits_for(newest, ready(OLDER), other)
    for gone in (replace(between, status="failed"), replace(between, done=("dev",)), at_gate(between)):
        assert newest.id == waits_for(ready(OLDER), gone, newest)


def test_a_newer_run_that_is_not_ready_holds_nobody_up() -> None:
    """It may fail its tests: the older commit goes in meanwhile, and commits that never cease starve nothing."""
    assert waits_for(ready(OLDER), NEWER) is None


def test_an_older_run_is_superseded_once_the_newer_one_serves() -> None:
    """Then and not before; one that failed gives the older its turn."""
    served = replace(NEWER, done=("dev",), status="waiting", gate=GATE)
    assert "superseded" == turn_of(ready(OLDER), "dev", [OLDER, served]).kind
    newest = replace(served, id="30", status="succeeded", gate=None)
    assert Turn("superseded", newest) == turn_of(ready(OLDER), "dev", [served, newest, OLDER])
    assert "enter" == turn_of(ready(OLDER), "dev", [OLDER, replace(NEWER, status="rolled_back")]).kind


@pytest.mark.parametrize(
    ("run", "comes"),
    [
        (OLDER, True),
        (at_gate(OLDER), False),
        (replace(OLDER, done=("dev", "prod")), False),
        (TO_DEV, False),
        (replace(OLDER, status="failed"), False),
    ],
    ids=["on its way", "waits for a person", "was there", "goes elsewhere", "ended"],
)
def test_who_comes_to_an_environment_by_itself(run: Run, comes: bool) -> None:
    """All that live, but those that wait for a person, were there or go elsewhere."""
    assert comes == is_heading_for(run, "prod")


def test_a_rollback_goes_first() -> None:
    """It waits for nothing that is still to come, and everything waits for it, but what is at work there."""
    assert BACK.id == waits_for(ready(OLDER), BACK)
    assert waits_for(BACK, ready(OLDER)) is None
    assert OLDER.id == waits_for(BACK, ready(OLDER), at_work=OLDER.id)


def test_whose_rollout_is_under_way_goes_on_before_all_others() -> None:
    """A run that comes back after a crash is not overtaken in the middle of its rollout."""
    assert waits_for(ready(OLDER), ready(NEWER), at_work=OLDER.id) is None
    assert OLDER.id == waits_for(ready(NEWER), ready(OLDER), at_work=OLDER.id)


@pytest.mark.parametrize(
    ("newer", "superseded"),
    [
        (NEWER, False),
        (replace(NEWER, done=("dev",), enters="prod"), True),
        (at_gate(NEWER), True),
        (replace(at_gate(NEWER), status="rejected"), False),
        (replace(NEWER, status="refused"), False),
    ],
    ids=["being built", "ready", "at the same gate", "rejected", "failed its tests"],
)
def test_who_waits_at_a_gate_is_superseded_by_one_that_has_come_as_far(newer: Run, superseded: bool) -> None:
    """A newer commit that is still being tested leaves the older one at its gate: it may be the last good one."""
    assert (newer if superseded else None) == superseding(at_gate(OLDER), "prod", [OLDER, newer])


def test_of_several_newer_ones_the_newest_is_named() -> None:
    """Nine comes before ten, and both before eleven."""
    newest = replace(at_gate(NEWER), id="11")
    assert newest == superseding(at_gate(OLDER), "prod", [at_gate(NEWER), newest, OLDER])


def test_whose_rollout_is_under_way_enters() -> None:
    """It need not even be among those that wait."""
    assert Turn("enter") == turn_of(OLDER, "dev", [], at_work=OLDER.id)


def test_going_back_to_an_older_commit_takes_a_new_word() -> None:
    """A deploy is one, an approval for that environment is one; a retry and a wait are none."""
    served = replace(TO_DEV, status="succeeded", done=("dev",))
    assert needs_new_approval(OLDER, "dev", [OLDER, served])
    assert needs_new_approval(replace(OLDER, id="20", retry_of="9"), "dev", [served])
    assert not needs_new_approval(replace(OLDER, approved=("dev",)), "dev", [served])
    assert not needs_new_approval(replace(OLDER, id="20"), "dev", [served])
