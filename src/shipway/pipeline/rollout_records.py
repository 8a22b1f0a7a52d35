"""What is remembered of rollouts: how one begins and ends in the store, who has an environment, what was told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from shipway.core.events import AuditEntry, Event, EventKind
from shipway.core.ports.state import Store
from shipway.core.releases.release import Release
from shipway.core.releases.run import Run
from shipway.core.rollouts.records import EnvironmentRecord, PendingCommand, RolloutRecord
from shipway.core.rollouts.transition import ModelWay, begun


@dataclass(frozen=True, slots=True)
class RolloutRecords:
    """The records of all environments and their rollouts; `clock` says when something was."""

    store: Store
    clock: Callable[[], float]

    def environment(self, name: str) -> EnvironmentRecord:
        """What the environment serves."""
        return self.store.get(EnvironmentRecord, name) or EnvironmentRecord(name)

    def under_way(self, name: str) -> RolloutRecord | None:
        """The rollout that moves the environment now, if any."""
        rollout = self.environment(name).rollout
        return None if rollout is None else self.store.get(RolloutRecord, rollout)

    def is_orphaned(self, name: str) -> bool:
        """Whether a rollout is under way there whose run has ended: nobody watches its candidate."""
        record = self.under_way(name)
        if record is None:
            return False
        run = self.store.get(Run, record.run or "")
        return run is None or not run.live

    def release(self, id: str | None) -> Release | None:
        """The release, if there is one."""
        return None if id is None else self.store.get(Release, id)

    def begin(
        self, id: str, name: str, release: Release, *, run: str, by: str, back: bool, way: ModelWay
    ) -> RolloutRecord:
        """Record a rollout that begins now."""
        environment = self.environment(name)
        stable = self.release(environment.stable)
        now = self.clock()
        record = begun(id, environment, stable, release, run=run, by=by, now=now, back=back, way=way)
        with self.store.transaction():
            self.store.delete(PendingCommand, name)
            self.store.put(id, record)
            self.store.put(name, replace(environment, rollout=id))
            self.store.add_audit(
                AuditEntry(now, by, record.kind, name, "", {"release": release.id, "from": environment.stable})
            )
        if record.plan.needs_predictions and not any(step.evidence for step in record.plan.steps):
            text = f"{record.plan.strategy} compares no predictions: only steps of canary and linear wait for evidence"
            self.tell(record, "note", text)
        return record

    def end(
        self, record: RolloutRecord, relabel: Callable[[EnvironmentRecord], EnvironmentRecord], outcome: str
    ) -> RolloutRecord:
        """Record that it has ended, and what the environment is by that."""
        record = replace(record, ended=self.clock())
        release = self.release(record.release)
        models = ", ".join(release.models) if release is not None else ""
        reason = record.state.reason
        detail = {"release": record.release, "model": models, "kind": record.kind, "reason": reason}
        with self.store.transaction():
            self.store.put(record.id, record)
            self.store.change(EnvironmentRecord, record.environment, relabel)
            self.store.delete(PendingCommand, record.environment)
            self.store.add_audit(AuditEntry(self.clock(), record.by, outcome, record.environment, "", detail))
        return record

    def tell(self, record: RolloutRecord, kind: EventKind, text: str, seconds: float | None = None) -> None:
        """Add to the story of the rollout's run."""
        self.store.add_event(Event(kind, text, self.clock(), record.run, record.environment, seconds))

    def move_times(self, jump: float) -> None:
        """The clock was set: sides stay warm, and people may answer, for as long as was said."""
        with self.store.transaction():
            for environment in self.store.all(EnvironmentRecord):
                if environment.warm is not None:
                    warm = replace(environment.warm, until=environment.warm.until + jump)
                    self.store.put(environment.name, replace(environment, warm=warm))
            for run in self.store.all(Run):
                if run.gate is not None and run.live:
                    gate = replace(run.gate, since=run.gate.since + jump, expires=run.gate.expires + jump)
                    self.store.put(run.id, replace(run, gate=gate))
