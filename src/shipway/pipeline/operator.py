"""The description that the operator has put in force, and the audit of changes to its roles and approvals."""

from __future__ import annotations

from collections.abc import Callable

from shipway.core.access.authority import Authority, Reading, at_reload, at_start, authority_of, governed
from shipway.core.description.app import App
from shipway.core.errors import ShipwayError
from shipway.core.events import AuditEntry
from shipway.core.ports.state import Store

_KEY = "operator"


class Operator:
    """Takes shipway.yaml from the operator; roles and approvals that take effect are written to the audit log."""

    def __init__(
        self,
        store: Store,
        read_committed: Callable[[], App],
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._read_committed = read_committed
        self._clock = clock
        self.held_back: dict[str, str] = {}

    @property
    def committed(self) -> bool:
        """Whether the roles and approvals in force ever stood in a commit."""
        accepted = self._store.get(Authority, _KEY)
        return accepted is None or accepted.committed

    def start(self, found: App, who: str) -> App:
        """The description to start with: the working copy's, without roles and approvals that were never committed."""
        reading = at_start(self._store.get(Authority, _KEY), self._authority(found))
        self.held_back = dict(reading.held_back)
        if reading.changes:
            self._record(reading, who, "shipway up")
        self._store.put(_KEY, reading.authority)
        return governed(found, reading.authority)

    def reload(self, found: App, who: str, uncommitted: bool, apply: Callable[[App], None]) -> dict[str, str]:
        """Use another description once `apply` has succeeded; returns what changed in roles and approvals."""
        authority = self._authority(found)
        accepted = self._store.get(Authority, _KEY) or authority
        reading = at_reload(accepted, authority, uncommitted)
        apply(governed(found, reading.authority))
        with self._store.transaction():
            self._record(reading, who, "")
            self._store.put(_KEY, reading.authority)
        self.held_back = {}
        return dict(reading.changes)

    def _authority(self, found: App) -> Authority:
        try:
            committed = self._read_committed()
        except ShipwayError:
            # No commit yet, or one whose description has mistakes: then this file counts as uncommitted.
            return authority_of(found, None)
        return authority_of(found, committed)

    def _record(self, reading: Reading, who: str, why: str) -> None:
        detail = dict(reading.changes) | ({} if reading.authority.committed else {"uncommitted": True})
        self._store.add_audit(AuditEntry(self._clock(), who, "reloaded", None, why, detail))
