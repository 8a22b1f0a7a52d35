"""The AWS target over the double: what `wiring` finds under a name of the tests."""

from __future__ import annotations

from pathlib import Path

from shipway.core.ports import Source
from shipway.wiring import Wiring
from shipway.wiring.aws import AwsWiring
from tests.doubles.aws.world import FakeAws
from tests.doubles.source import FakeSource

WORLDS: dict[Path, FakeAws] = {}
"""An app's folder → the account that it is in."""


class OverDouble(AwsWiring):
    """Commits are in memory, too, and nobody sleeps."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, WORLDS[root].clients, sleep=lambda _: None)

    def _source(self) -> Source:
        return FakeSource(self._root)


def wire(root: Path) -> Wiring:
    return OverDouble(root)
