"""What is kept: records, secrets, logs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from shipway.core.events import AuditEntry, Event
from shipway.core.logs.asked import Asked
from shipway.core.rollouts.records import Lock
from shipway.core.secrets.secret import StoredSecret
from shipway.core.views.releases import TaskLine

T = TypeVar("T")


class Secrets(Protocol):
    """Where the values of secrets are kept. Nothing here answers a value."""

    def list(self, environment: str) -> Sequence[StoredSecret]:
        """What has a value in the environment, by name."""

    def set(self, environment: str, name: str, value: str) -> StoredSecret:
        """Store the value, which `core.secrets.secret` has checked; durable when it returns.

        Raises ShipwayError, and Refused for a name that the target does not take.
        """

    def unset(self, environment: str, name: str) -> None:
        """Forget the value; fine when there is none."""

    def check(self) -> None:
        """Raise Refused where no task could be given a value now, as when the key is lost."""


class Logs(Protocol):
    """What tasks and builds wrote. Never more lines are kept in memory than are asked for."""

    def owners(self) -> Sequence[Mapping[str, str]]:
        """Whose logs there are: `environment`, `service`, `release`, `task` of each, of tasks that are gone as well."""

    def tasks(self, asked: Asked, owner: Mapping[str, str], checks: Collection[str]) -> Sequence[TaskLine]:
        """The lines of the tasks that have these owners, oldest first. `checks` are the paths of health checks."""

    def build(self, commit: str, asked: Asked) -> Sequence[str]:
        """What the builds and tests of a commit wrote."""


class Records(Protocol):
    """Records by type and id, and what happened to them. Every write is durable when it returns."""

    def transaction(self) -> AbstractContextManager[None]:
        """All writes inside become visible together, or not at all."""

    def get(self, kind: type[T], id: str) -> T | None:
        """The record, or None."""

    def put(self, id: str, record: object) -> None:
        """Write a record; the last one wins."""

    def all(self, kind: type[T]) -> list[T]:
        """Every record of a type, by id."""

    def change(self, kind: type[T], id: str, change: Callable[[T], T]) -> T:
        """Read, change and write a record in one transaction. Raises KeyError when there is none."""

    def add_event(self, event: Event) -> None:
        """Append to a run's events."""

    def add_audit(self, entry: AuditEntry) -> None:
        """Append to the audit log."""


class Store(Records, Protocol):
    """All that a control plane keeps, and two append-only logs."""

    def delete(self, kind: type[Any], id: str) -> None:
        """Forget a record; one that is not there is no error."""

    def next_number(self, name: str) -> int:
        """1, 2, 3, …: never the same one twice."""

    def take_lock(self, environment: str, owner: str, now: float, expiry: float) -> Lock | None:
        """Take or keep the environment's lock; None on success, else the lock that stands in the way.

        `now` is a reading of a monotonic clock.
        """

    def release_lock(self, environment: str, owner: str) -> None:
        """Give the lock back, if `owner` holds it."""

    def events(self, run: str, after: int, wait: float = 0.0) -> list[Event]:
        """A run's events after a number; waits up to `wait` seconds for the first."""

    def audit(self, limit: int) -> list[AuditEntry]:
        """The newest entries, newest first."""

    def audited(self, environment: str, since: float, until: float) -> list[AuditEntry]:
        """The entries about an environment from then (inclusive) until then (inclusive), Unix time; oldest first."""
