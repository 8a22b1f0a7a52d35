"""Commands in hints work word by word, also where the target was named on the command line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shipway.cli import hints
from shipway.cli.terminal import say

COMMANDS = ("deploy", "run", "logs")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    hints.for_target(None, ())


@pytest.mark.parametrize(
    ("line", "spelled"),
    [
        ("Next: shipway deploy --env dev", "Next: shipway --target cloud deploy --env dev"),
        ("push it, then: shipway run show 7, shipway logs", "push it, then: shipway --target cloud run show 7, shipway --target cloud logs"),
        ("shipway --target moon deploy", "shipway --target moon deploy"),
        ("Shipway runs; shipway dances; ./shipway run; shipway runs", "Shipway runs; shipway dances; ./shipway run; shipway runs"),
    ],
)  # fmt: skip
def test_a_command_names_the_target_that_was_named(line: str, spelled: str) -> None:
    """Commands alone, each of them, once."""
    hints.for_target("cloud", COMMANDS)
    assert spelled == hints.spelled(line)


def test_without_a_target_lines_stay_as_they_are() -> None:
    """As on one machine, and with SHIPWAY_TARGET."""
    hints.for_target(None, COMMANDS)
    assert "shipway deploy" == hints.spelled("shipway deploy")


def test_what_somebody_else_wrote_stays_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """A line of a log may speak of commands."""
    hints.for_target("cloud", COMMANDS)
    say("ran shipway deploy", as_written=True)
    say("Next: shipway deploy")
    assert "ran shipway deploy\nNext: shipway --target cloud deploy\n" == capsys.readouterr().out
