"""Which model version was current in an environment, and since when."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelHistory:
    """The model versions that were current, oldest first; the last one is current now."""

    versions: tuple[str, ...] = ()

    def with_current(self, version: str) -> ModelHistory:
        """The history after a promotion; going back to the previous version removes the newest entry."""
        if self.versions[-1:] == (version,):
            return self
        if self.versions[-2:-1] == (version,):
            return ModelHistory(self.versions[:-1])
        return ModelHistory((*self.versions, version))
