"""Which runs a newer commit makes pointless."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shipway.core.gates import makes_pointless, superseded
from shipway.core.records import Answer, Gate, Run

GATE = Gate("prod", ("lead",), 0, 60)
OLDER = Run("9", "deploy", "c1", "first", "main", ("dev", "prod"), "bob", 1.0, status="waiting", gate=GATE)
NEWER = Run("10", "deploy", "c2", "second", "main", ("dev", "prod"), "bob", 2.0)


def test_a_newer_run_the_same_way_supersedes_what_waits() -> None:
    """Only the older one is superseded, never the other way round."""
    assert [OLDER] == superseded([OLDER, NEWER], NEWER)
    assert [] == superseded([OLDER, NEWER], OLDER)


@pytest.mark.parametrize(
    "older",
    [
        replace(OLDER, status="running", gate=None),
        replace(OLDER, path=("dev", "stage")),
        replace(OLDER, gate=replace(GATE, answer=Answer("approved", "ann", "fine"))),
    ],
    ids=["not waiting", "goes elsewhere", "answered already"],
)
def test_what_is_not_superseded(older: Run) -> None:
    """A run that is at work, goes elsewhere, or has its answer is left alone."""
    assert [] == superseded([older], NEWER)


def test_a_run_that_comes_to_its_gate_late_finds_itself_overtaken() -> None:
    """Ten comes after nine, though not in the alphabet; a newer run that failed overtakes nobody."""
    assert makes_pointless(NEWER, OLDER)
    assert not makes_pointless(OLDER, NEWER)
    assert not makes_pointless(replace(NEWER, status="failed"), OLDER)
    assert not makes_pointless(replace(NEWER, kind="rollback"), OLDER)
