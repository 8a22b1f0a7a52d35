"""The records of offerings in the releases' bucket, for whoever changes them: written conditionally, an object each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

from shipway.aws.looks import Looks
from shipway.aws.release_store import ReleaseStore
from shipway.core.apps.offering import Offering
from shipway.core.events import AuditEntry, Event
from shipway.core.ports.state import Records

T = TypeVar("T")


class OfferingRecords(Records):
    """Those of some environments. For one thread; two processes never overwrite each other.

    Within a transaction the first read of a record gives the mark that its write must find: LostRace otherwise. What is
    told and audited within it follows the write. `tell` hears a line of the story at a time.
    """

    def __init__(
        self, store: ReleaseStore, looks: Looks, environments: Collection[str], tell: Callable[[str], None]
    ) -> None:
        self._store, self._looks, self._environments, self._tell = store, looks, environments, tell
        self._within = False
        self._marks: dict[str, str | None] = {}
        self._changed: dict[str, Offering] = {}
        self._after: list[Event | AuditEntry] = []

    @contextmanager
    def transaction(self) -> Iterator[None]:
        if self._within:
            yield
            return
        self._within = True
        try:
            yield
            self._commit()
        finally:
            self._within = False
            self._marks, self._changed, self._after = {}, {}, []

    def get(self, kind: type[T], id: str) -> T | None:
        assert kind is Offering
        if id in self._changed:
            return cast(T, self._changed[id])
        kept = self._store.offering(id)
        if self._within:
            self._marks[id] = kept.mark if kept is not None else None
        return cast(T, kept.record) if kept is not None else None

    def put(self, id: str, record: object) -> None:
        assert isinstance(record, Offering)
        with self.transaction():
            if id not in self._marks:
                self.get(Offering, id)
            self._changed[id] = record

    def all(self, kind: type[T]) -> list[T]:
        found = (self.get(kind, environment) for environment in self._environments)
        return [record for record in found if record is not None]

    def change(self, kind: type[T], id: str, change: Callable[[T], T]) -> T:
        with self.transaction():
            found = self.get(kind, id)
            if found is None:
                raise KeyError(id)
            changed = change(found)
            self.put(id, changed)
        return changed

    def add_event(self, event: Event) -> None:
        with self.transaction():
            self._after.append(event)

    def add_audit(self, entry: AuditEntry) -> None:
        with self.transaction():
            self._after.append(entry)

    def _commit(self) -> None:
        for name, record in self._changed.items():
            if record.candidate is not None:
                # Before the record: what is killed in between has a look too many, which turns the schedule off again.
                self._looks.turn_on(name)
            self._store.keep_offering(record, self._marks[name])
        for one in self._after:
            if isinstance(one, AuditEntry):
                self._store.add_audit(one)
            else:
                self._tell(f"{one.environment}: {one.text}" if one.environment else one.text)
        for name in self._changed:
            self.attend(name)

    def attend(self, environment: str) -> None:
        """Let the schedule be on while a bundle is on its way, and off otherwise."""
        if not self._is_on_its_way(environment):
            self._looks.turn_off(environment)
        # Asked again: somebody may have let a bundle go out since.
        if self._is_on_its_way(environment):
            self._looks.turn_on(environment)

    def _is_on_its_way(self, environment: str) -> bool:
        kept = self._store.offering(environment)
        return kept is not None and kept.record.candidate is not None
