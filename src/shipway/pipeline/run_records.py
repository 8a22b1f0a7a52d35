"""The records of runs, and the events of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from shipway.core.events import Event, EventKind
from shipway.core.ports.state import Store
from shipway.core.releases.run import Run
from shipway.core.rollouts.records import RolloutRecord


def rollout_id(run: str, environment: str) -> str:
    """The one rollout of a run in an environment, however often the run is carried out."""
    return f"{run}-{environment}"


class RunRecords:
    """Reads and changes runs, and adds their events. Changes that belong together are made in one transaction."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    def get(self, id: str) -> Run:
        """The run. Raises KeyError when there is none."""
        run = self._store.get(Run, id)
        if run is None:
            raise KeyError(id)
        return run

    def all(self) -> list[Run]:
        """Every run."""
        return self._store.all(Run)

    def change(self, id: str, **fields: Any) -> Run:
        """Replace some of its fields."""
        return self._store.change(Run, id, lambda run: replace(run, **fields))

    def rollout(self, id: str, environment: str) -> RolloutRecord | None:
        """The run's rollout in an environment, once it has begun."""
        return self._store.get(RolloutRecord, rollout_id(id, environment))

    def tell(
        self, run: Run, kind: EventKind, text: str, environment: str | None = None, seconds: float | None = None
    ) -> None:
        """Add an event to the run."""
        self._store.add_event(Event(kind, text, self._clock(), run.id, environment, seconds))
