"""The record of the rollout under way, as the one program that drives it keeps it in the bucket."""

from __future__ import annotations

from dataclasses import replace

from shipway.aws.moving import Moving, ServiceMove
from shipway.aws.release_store import Kept, ReleaseStore
from shipway.core.rollouts.machine import State
from shipway.core.rollouts.plan import Plan


class Memory:
    """Saved before each thing that it leads to. Every write raises LostRace where another program has taken over."""

    def __init__(self, store: ReleaseStore, kept: Kept[Moving]) -> None:
        self._store, self._mark, self.moving = store, kept.mark, kept.record

    @classmethod
    def begun(cls, store: ReleaseStore, moving: Moving, before: str | None) -> Memory:
        """A new record in the place of the one that had the mark `before`."""
        return cls(store, Kept(moving, store.keep_current(moving, before)))

    @property
    def state(self) -> State:
        """Where the rollout stands."""
        return self.moving.rollout.state

    @property
    def plan(self) -> Plan:
        """How it is to go."""
        return self.moving.rollout.plan

    def save(self, moving: Moving) -> None:
        """Write it unless nothing changed."""
        if moving != self.moving:
            self._mark = self._store.keep_current(moving, self._mark)
            self.moving = moving

    def save_state(self, state: State) -> None:
        """Write another state of the rollout."""
        self.save(replace(self.moving, rollout=replace(self.moving.rollout, state=state)))

    def save_service(self, service: str, move: ServiceMove) -> None:
        """Write what a service has come to."""
        self.save(replace(self.moving, services={**self.moving.services, service: move}))

    def turn_back(self, reason: str, now: float) -> None:
        """From here on everything goes back."""
        self.save_state(turned_back(self.state, reason, now))


def turned_back(state: State, reason: str, now: float) -> State:
    """The state from which everything goes back."""
    return replace(state, phase="rolling_back", reason=reason, since=now, paused=False)
