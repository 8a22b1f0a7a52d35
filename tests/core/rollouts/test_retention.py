"""Which releases stay built."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shipway.core.releases.release import Release
from shipway.core.releases.run import Run
from shipway.core.rollouts.records import EnvironmentRecord, SideRecord, Warm
from shipway.core.rollouts.retention import kept_releases

RELEASES = [Release(f"r{number}", "c", None) for number in range(1, 13)]  # type: ignore[arg-type]
RUN = Run("1", "deploy", "c", "", "main", ("prod",), "me", 0.0)


def _kept(**known: Any) -> list[str]:
    parts = {"environments": (), "sides": (), "rollouts": (), "runs": ()} | known
    return sorted(kept_releases(2, RELEASES, **parts), key=lambda name: int(name[1:]))


def test_the_newest_releases_stay() -> None:
    """By their number, not by their name's letters."""
    assert ["r11", "r12"] == _kept()


@pytest.mark.parametrize(
    ("known", "kept"),
    [
        ({"environments": [EnvironmentRecord("prod", history=("r1", "r2", "r3"))]}, ["r2", "r3"]),
        ({"environments": [EnvironmentRecord("prod", history=("r4",), described_by="r5")]}, ["r4", "r5"]),
        ({"environments": [EnvironmentRecord("prod", warm=Warm("blue", "r6", 0.0))]}, ["r6"]),
        ({"sides": [SideRecord("prod", "blue", "r7", 2)]}, ["r7"]),
        ({"runs": [replace(RUN, release="r8")]}, ["r8"]),
        ({"runs": [replace(RUN, release="r8", status="succeeded")]}, []),
    ],
)
def test_what_is_needed_stays_however_old(known: dict[str, Any], kept: list[str]) -> None:
    """What serves, served last, is warm, runs on a side, or is on its way."""
    assert [*kept, "r11", "r12"] == _kept(**known)
