"""Devices and their bundles in the database, shared by all tasks: each change of a device, and what it told.

A request's change is applied by the store's own thread, in one transaction with whatever else waits at that moment, and
is answered once that is committed: a task that is killed has answered nothing that is not kept.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Table, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as insert_postgres
from sqlalchemy.dialects.sqlite import insert as insert_sqlite
from sqlalchemy.exc import SQLAlchemyError

from app_updates.contract.bundles import BUILTIN
from app_updates.rules import Device, Trial
from app_updates.tables import crash_devices, crashes, devices, failures, trials, vitals
from app_updates.telemetry import Crash, Vital

log = logging.getLogger(__name__)
Value = TypeVar("Value")
_MOST_WAITING = 2_000
_BATCH = 200
PATIENCE = 5.0
"""Seconds that a request waits for its commit."""
UNSEEN = 90 * 86_400.0
"""Seconds after which a device that did not call is forgotten."""
_MOST_CRASHES = 200
"""Kept of a version: an app that makes up new ones all the time fills no disk."""
_DEVICE = ("native", "running", "answered", "seen_at")
_TRIAL = [one.name for one in fields(Trial)]
_VITAL = ("version", "name", "bucket")


class StoreAway(Exception):
    """The database did not confirm; nothing is known to be kept."""


class StoreFull(Exception):
    """More requests wait than can be answered in time."""


@dataclass(slots=True)
class Visit:
    """A request of a device: the device, as it is changed, and what else it told."""

    device: Device
    crashes: list[tuple[str, Crash]] = field(default_factory=list)
    vitals: list[tuple[str, Vital]] = field(default_factory=list)


@dataclass(slots=True)
class _Waiting:
    id: str
    change: Callable[[Visit], Any]
    future: Future[Any]


class Store:
    """Changes of devices, one transaction after the other."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.time, patience: float = PATIENCE) -> None:
        self._engine, self._clock, self._patience = engine, clock, patience
        self._insert: Callable[[Table], Any] = insert_postgres if engine.dialect.name == "postgresql" else insert_sqlite
        self._waiting: queue.Queue[_Waiting | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)

    def start(self) -> None:
        """Begin to take changes."""
        self._thread.start()

    def close(self) -> None:
        """Finish what waits."""
        if self._thread.ident is not None:
            self._waiting.put(None)
            self._thread.join()
        self._engine.dispose()

    async def visit(self, device: str, change: Callable[[Visit], Value]) -> Value:
        """What `change` answers, once it is committed. Raises StoreFull, StoreAway, and what `change` raises."""
        future: Future[Value] = Future()
        try:
            self._waiting.put_nowait(_Waiting(device, change, future))
        except queue.Full as error:
            raise StoreFull from error
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self._patience)
        except TimeoutError as error:
            raise StoreAway(f"no answer within {self._patience:g} s") from error

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch = [first]
            while len(batch) < _BATCH and not self._waiting.empty():
                following = self._waiting.get()
                if following is None:
                    self._waiting.put(None)
                    break
                batch.append(following)
            awaited = [one for one in batch if not one.future.cancelled()]
            if awaited:
                self._carry_out(awaited)

    def _carry_out(self, batch: Sequence[_Waiting]) -> None:
        done: list[tuple[Future[Any], Any]] = []
        try:
            with self._engine.begin() as connection:
                done = self._change(connection, batch)
        except (SQLAlchemyError, OSError) as error:
            away = StoreAway(f"{type(error).__name__}: {error}"[:300])
            log.warning("the database did not take %d changes: %s", len(batch), away)
            done = [(one.future, away) for one in batch]
        except Exception as error:
            # Whatever it is: whoever waits is answered, and the thread goes on to the next ones.
            log.exception("%d changes failed", len(batch))
            done = [(one.future, error) for one in batch]
        for future, answer in done:
            if future.set_running_or_notify_cancel():
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)

    def _change(self, connection: Connection, batch: Sequence[_Waiting]) -> list[tuple[Future[Any], Any]]:
        known = self._load(connection, sorted({one.id for one in batch}))
        before = {trial_key: replace(trial) for trial_key, trial in _trials(known.values())}
        visits = {id: Visit(device) for id, device in known.items()}
        done = [(one.future, _answer(one.change, visits[one.id])) for one in batch]
        connection.execute(
            update(devices).where(devices.c.id == bindparam("of")).values({name: bindparam(name) for name in _DEVICE}),
            [{"of": one.id, **{name: getattr(one, name) for name in _DEVICE}} for one in known.values()],
        )
        changed = [
            {"device": id, **asdict(trial)} for (id, version), trial in _trials(known.values())
            if before.get((id, version)) != trial
        ]  # fmt: skip
        if changed:
            statement = self._insert(trials)
            values = {name: statement.excluded[name] for name in _TRIAL if name != "version"}
            connection.execute(
                statement.on_conflict_do_update(index_elements=["device", "version"], set_=values), changed
            )
        self._keep_failures(connection, before, known.values())
        self._keep_crashes(connection, visits)
        self._keep_vitals(connection, visits.values())
        return done

    def _load(self, connection: Connection, ids: list[str]) -> dict[str, Device]:
        """The devices, made where they are new, and locked in one order: tasks never wait for one another in a ring."""
        new = [{"id": id, "native": "", "running": BUILTIN, "answered": "", "seen_at": self._clock()} for id in ids]
        connection.execute(self._insert(devices).on_conflict_do_nothing(), new)
        rows = connection.execute(
            select(devices).where(devices.c.id.in_(ids)).order_by(devices.c.id).with_for_update()
        ).mappings()
        known = {row["id"]: Device(**row) for row in rows}
        for row in connection.execute(select(trials).where(trials.c.device.in_(ids))).mappings():
            known[row["device"]].trials[row["version"]] = Trial(**{name: row[name] for name in _TRIAL})
        return known

    def _keep_failures(
        self, connection: Connection, before: Mapping[tuple[str, str], Trial], known: Iterable[Device]
    ) -> None:
        """In one order, as for crashes. What was bad already is not told again."""
        times: Counter[str] = Counter()
        for key, trial in _trials(known):
            old = before.get(key, Trial(trial.version))
            times[trial.version] += (trial.failed_at is not None and old.failed_at is None) + trial.errors - old.errors
        rows = [{"version": version, "times": number} for version, number in sorted(times.items()) if number > 0]
        if rows:
            statement = self._insert(failures)
            more = {"times": failures.c.times + statement.excluded.times}
            connection.execute(statement.on_conflict_do_update(index_elements=["version"], set_=more), rows)

    def _keep_crashes(self, connection: Connection, visits: Mapping[str, Visit]) -> None:
        """In one order, as tasks add to the same rows: they never wait for one another in a ring."""
        now = self._clock()
        found = [(version, crash.crash, id, crash) for id, visit in visits.items() for version, crash in visit.crashes]
        for version, name, device, crash in sorted(found, key=lambda one: one[:3]):
            of = (crashes.c.version == version, crashes.c.crash == name)
            known = connection.execute(update(crashes).where(*of).values(times=crashes.c.times + 1, last_at=now))
            if known.rowcount == 0:
                kept = connection.execute(select(func.count()).where(crashes.c.version == version)).scalar_one()
                if kept >= _MOST_CRASHES:
                    continue
                row = {"version": version, "crash": name, **asdict(crash)}
                statement = self._insert(crashes).values(**row, first_at=now, last_at=now, times=1)
                again = {"times": crashes.c.times + 1, "last_at": now}
                connection.execute(statement.on_conflict_do_update(index_elements=["version", "crash"], set_=again))
            seen = {"version": version, "crash": name, "device": device}
            connection.execute(self._insert(crash_devices).values(seen).on_conflict_do_nothing())

    def _keep_vitals(self, connection: Connection, visits: Iterable[Visit]) -> None:
        """In one order, as for crashes; what is told of one bucket is added at once."""
        times = Counter((version, vital.name, vital.bucket) for visit in visits for version, vital in visit.vitals)
        if not times:
            return
        statement = self._insert(vitals)
        more = {"times": vitals.c.times + statement.excluded.times}
        rows = [dict(zip(_VITAL, key, strict=True), times=number) for key, number in sorted(times.items())]
        connection.execute(statement.on_conflict_do_update(index_elements=_VITAL, set_=more), rows)

    # --- what blocks

    def in_transaction(self, query: Callable[[Connection], Value]) -> Value:
        """What `query` answers, such as one of `counts.py`. Raises StoreAway."""
        try:
            with self._engine.begin() as connection:
                return query(connection)
        except (SQLAlchemyError, OSError) as error:
            raise StoreAway(str(error)[:300]) from error

    def check(self) -> str | None:
        """Why the database can't be used; None where it can."""
        try:
            with self._engine.begin() as connection:
                connection.execute(select(trials.c.device).limit(1)).first()
        except (SQLAlchemyError, OSError) as error:
            return f"{type(error).__name__}: is it reachable, and has `python -m app_updates.tables` been run?"
        return None

    def forget(self) -> int:
        """Remove the devices that did not call for `UNSEEN`; answers how many. Raises StoreAway."""
        unseen = select(devices.c.id).where(devices.c.seen_at < self._clock() - UNSEEN)

        def remove(connection: Connection) -> int:
            # Locked first, as a visit does: none of them calls again between one statement and the next.
            connection.execute(unseen.order_by(devices.c.id).with_for_update())
            connection.execute(delete(trials).where(trials.c.device.in_(unseen)))
            connection.execute(delete(crash_devices).where(crash_devices.c.device.in_(unseen)))
            return connection.execute(delete(devices).where(devices.c.id.in_(unseen))).rowcount

        return self.in_transaction(remove)


def _answer(change: Callable[[Visit], Any], visit: Visit) -> Any:
    """What the change answers, or its exception: one device's fault must not be the others'."""
    try:
        return change(visit)
    except Exception as error:
        log.exception("a change of a device failed")
        return error


def _trials(known: Iterable[Device]) -> list[tuple[tuple[str, str], Trial]]:
    return [((device.id, version), trial) for device in known for version, trial in device.trials.items()]
