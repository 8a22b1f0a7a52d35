"""Builds that take no time."""

from __future__ import annotations

from shipway.core.description.app import Service
from shipway.core.errors import Refused
from shipway.core.ports import Builder, Tell
from shipway.core.releases.release import Artifact, BakedModel, Commit


class FakeBuilder(Builder):
    """Builds at once; `failing` commits fail their tests. `trees` are the commits that hold another's tree."""

    def __init__(self) -> None:
        self.failing: set[str] = set()
        self.trees: dict[str, str] = {}
        self.baked: BakedModel | None = None
        self._built: dict[str, str] = {}

    def build(self, commit: Commit, name: str, service: Service, tell: Tell) -> Artifact:
        if commit.id in self.failing:
            raise Refused(f"{name} failed its tests")
        digest = self.trees.get(commit.id, commit.id).ljust(64, "0")
        return Artifact(name, digest, self._built.setdefault(digest, commit.id), "/tree", model=self.baked)
