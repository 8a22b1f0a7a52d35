"""Builds that take no time."""

from __future__ import annotations

from shipway.core.description.app import Service
from shipway.core.errors import Refused
from shipway.core.ports.building import Builder
from shipway.core.ports.telling import Tell
from shipway.core.releases.release import Artifact, BakedModel, Commit


class FakeBuilder(Builder):
    """Builds at once; `failing` commits fail their tests. `trees` are the commits that hold another's tree.

    `damaged` are the digests of artifacts that were changed after their build.
    """

    def __init__(self) -> None:
        self.failing: set[str] = set()
        self.trees: dict[str, str] = {}
        self.baked: BakedModel | None = None
        self.damaged: set[str] = set()

    def build(self, commit: Commit, name: str, service: Service, tell: Tell) -> Artifact:
        if commit.id in self.failing:
            raise Refused(f"{name} failed its tests")
        digest = self.trees.get(commit.id, commit.id).ljust(64, "0")
        self.damaged.discard(digest)
        return Artifact(name, digest, f"memory:{digest}", self.baked)

    def verify(self, artifact: Artifact) -> None:
        if artifact.digest in self.damaged:
            raise Refused(f"artifact {artifact.short} of {artifact.service} was changed after its build")
