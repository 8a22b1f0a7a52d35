"""Which values the tasks of a release were started with, by their versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StartedWith:
    """Name → version of each secret that a release's services name, when its tasks were started in an environment."""

    environment: str
    release: str
    versions: Mapping[str, str]

    @property
    def id(self) -> str:
        """What it is stored under."""
        return id_of(self.environment, self.release)


def id_of(environment: str, release: str) -> str:
    """What the versions of a release are stored under."""
    return f"{environment}/{release}"
