"""The records of probations: those that go on, and how one ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shipway.core.events import PLATFORM, AuditEntry, Event, EventKind
from shipway.core.ports.state import Store
from shipway.core.training.probation import OnProbation, Outcome

_WORDS = {"kept": "passed its probation", "taken back": "was taken back", "over": "is on probation no more"}


def live_probations(store: Store) -> Sequence[OnProbation]:
    """Those that have not ended."""
    return [trial for trial in store.all(OnProbation) if trial.ended is None]


def live_probation(store: Store, environment: str) -> OnProbation | None:
    """The one that goes on in the environment."""
    return next((trial for trial in live_probations(store) if trial.environment == environment), None)


def end_probation(store: Store, trial: OnProbation, outcome: Outcome, reason: str, now: float) -> None:
    """Record that it has ended, in the events and the audit log too. One that has ended already stays as it is."""
    with store.transaction():
        current = store.get(OnProbation, trial.id) or trial
        if current.ended is not None:
            return
        ended = replace(current, ended=now, outcome=outcome, reason=reason, trouble="")
        store.put(trial.id, ended)
        kind: EventKind = "fail" if outcome == "taken back" else "note"
        store.add_event(Event(kind, f"{trial.version} {_WORDS[outcome]}: {reason}", now, trial.run, trial.environment))
        detail = {"version": trial.version, "before": trial.before, "outcome": outcome, "run": current.run}
        store.add_audit(AuditEntry(now, PLATFORM, "end the probation", trial.environment, reason, detail))
