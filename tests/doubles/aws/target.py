"""The AWS target over the double: what `wiring` finds under a name of the tests."""

from __future__ import annotations

from pathlib import Path

from shipway.aws.calls import Calls
from shipway.aws.names import Names
from shipway.aws.read_back import Ask
from shipway.aws.version_store import S3VersionStore
from shipway.core.ports.building import Source
from shipway.core.ports.models import Models
from shipway.registry.registry import ModelRegistry
from shipway.wiring import Wiring
from shipway.wiring.aws import AwsWiring
from tests.doubles.aws.world import FakeAws
from tests.doubles.source import FakeSource

WORLDS: dict[Path, FakeAws] = {}
"""An app's folder → the account that it is in."""


class OverDouble(AwsWiring):
    """Commits are in memory, too, and time passes as soon as somebody sleeps."""

    def __init__(self, root: Path) -> None:
        world = WORLDS[root]
        super().__init__(root, world.clients, world.clock.sleep, lambda: world.clock.now)

    def _ask(self) -> Ask:
        return WORLDS[self._root].ask

    def _registry(self, calls: Calls, names: Names) -> Models:
        # Files only: what has to be loaded is tested over the real program.
        return ModelRegistry(S3VersionStore(calls, names.models_bucket), work_tree=self._root)

    def _source(self) -> Source:
        source = FakeSource(self._root)
        source.files["shipway.yaml"] = (self._root / "shipway.yaml").read_bytes()
        return source


def wire(root: Path) -> Wiring:
    return OverDouble(root)
