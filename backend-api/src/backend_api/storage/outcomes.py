"""Outcomes of predictions: kept once, and handed out until they are written as labels."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, and_, bindparam, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from backend_api.storage.group_commit import GroupCommit
from backend_api.storage.table import outcomes, predictions

_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_ASKED = select(predictions.c.id, predictions.c.departure, predictions.c.device).where(predictions.c.id.in_(_IDS))
_KEPT = select(outcomes).where(outcomes.c.prediction_id.in_(_IDS))


@dataclass(frozen=True)
class Told:
    """What came true of a prediction, who said so, and when. `occurred_at`: the flight's departure, local time."""

    prediction_id: str
    late: bool
    source: str
    told_at: datetime
    revision: int = 0
    occurred_at: datetime | None = None


@dataclass(frozen=True)
class Asked:
    """A prediction, as far as it says whose outcome is taken."""

    departure: datetime
    device: str | None


@dataclass(frozen=True)
class _Telling:
    told: Told
    corrects: bool
    check: Callable[[Asked | None], None]


class OutcomeStore:
    """All transactions that concern outcomes. Raises what the database raises, and what the task's writer does."""

    def __init__(self, writer: GroupCommit, dialect: str) -> None:
        self._writer = writer
        insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
        self._insert = insert(outcomes).on_conflict_do_nothing(index_elements=["prediction_id"])

    async def keep(self, told: Told, corrects: bool, check: Callable[[Asked | None], None]) -> Told:
        """What is kept now: `told`, or what was told before, unless `told` says otherwise and `corrects` it.

        Nothing is kept where `check` raises an exception about the prediction, which is then raised here.
        """
        return await self._writer.add(self._keep_all, _Telling(told, corrects, check))

    def _keep_all(self, connection: Connection, tellings: Sequence[_Telling]) -> list[Told | Exception]:
        asked = _asked(connection, {telling.told.prediction_id for telling in tellings})
        results: list[Told | Exception | None] = [_refused(telling, asked) for telling in tellings]
        # In one order in all tasks, so that none waits for another that waits for it; of one prediction as they came.
        in_order = sorted(
            (telling.told.prediction_id, number) for number, telling in enumerate(tellings) if results[number] is None
        )
        kept: dict[str, Told] = {}
        if in_order:
            rows = [{"revision": 0, **_values(tellings[number].told)} for _, number in in_order]
            inserted = connection.execute(self._insert, rows).rowcount
            # Where all of them are the first of their predictions, which SQLite counts, what is kept need not be read.
            first = inserted == len(in_order)
            kept = (
                {id: tellings[n].told for id, n in in_order} if first else _kept(connection, {id for id, _ in in_order})
            )
        for id, number in in_order:
            telling = tellings[number]
            if telling.corrects and telling.told.late != kept[id].late:
                kept[id] = _correct(connection, telling.told)
            results[number] = kept[id]
        return [result for result in results if result is not None]

    async def claim(self, limit: int, now: datetime, lease: timedelta) -> list[Told]:
        """The oldest that are not written yet, for this task alone as long as `lease`."""
        free = and_(
            outcomes.c.written_at.is_(None), or_(outcomes.c.claimed_until.is_(None), outcomes.c.claimed_until < now)
        )
        oldest = select(outcomes.c.prediction_id).where(free).order_by(outcomes.c.told_at).limit(limit)
        # `free` again: another task may have claimed some while this one waited for their locks.
        claim = update(outcomes).where(outcomes.c.prediction_id.in_(oldest), free).values(claimed_until=now + lease)
        returned = claim.returning(*outcomes.c)

        def claimed(connection: Connection) -> list[Told]:
            found = [_told(row) for row in connection.execute(returned).all()]
            ids = [told.prediction_id for told in found]
            asked = select(predictions.c.id, predictions.c.departure).where(predictions.c.id.in_(ids))
            departures = {row.id: row.departure for row in connection.execute(asked)}
            return [replace(told, occurred_at=departures[told.prediction_id]) for told in found]

        return sorted(await self._writer.transact(claimed), key=lambda told: told.told_at)

    async def release(self, claimed: Sequence[Told]) -> None:
        """Whoever comes next may write them."""
        ids = [told.prediction_id for told in claimed]
        free = update(outcomes).where(outcomes.c.prediction_id.in_(ids)).values(claimed_until=None)
        await self._writer.transact(lambda connection: connection.execute(free).rowcount)

    async def mark_written(self, written: Sequence[Told], now: datetime) -> None:
        """They are labels now; those that were corrected meanwhile are still to be written."""
        same = and_(outcomes.c.prediction_id == bindparam("id"), outcomes.c.revision == bindparam("known"))
        mark = update(outcomes).where(same).values(written_at=now)
        rows = sorted((told.prediction_id, told.revision) for told in written)
        values = [{"id": id, "known": revision} for id, revision in rows]
        await self._writer.transact(lambda connection: connection.execute(mark, values).rowcount)


def _asked(connection: Connection, ids: Collection[str]) -> dict[str, Asked]:
    found = connection.execute(_ASKED, {"ids": list(ids)})
    return {row.id: Asked(row.departure, row.device) for row in found}


def _refused(telling: _Telling, asked: Mapping[str, Asked]) -> Exception | None:
    try:
        telling.check(asked.get(telling.told.prediction_id))
    except Exception as error:
        return error
    return None


def _correct(connection: Connection, told: Told) -> Told:
    one = outcomes.c.prediction_id == told.prediction_id
    to_write = {"revision": outcomes.c.revision + 1, "claimed_until": None, "written_at": None}
    connection.execute(update(outcomes).where(one, outcomes.c.late != told.late).values(**_values(told), **to_write))
    return _kept(connection, [told.prediction_id])[told.prediction_id]


def _kept(connection: Connection, ids: Collection[str]) -> dict[str, Told]:
    return {row.prediction_id: _told(row) for row in connection.execute(_KEPT, {"ids": list(ids)})}


def _values(told: Told) -> dict[str, object]:
    return {"prediction_id": told.prediction_id, "late": told.late, "source": told.source, "told_at": told.told_at}


def _told(row: Row[tuple[object, ...]]) -> Told:
    told_at = row.told_at if row.told_at.tzinfo is not None else row.told_at.replace(tzinfo=UTC)
    return Told(row.prediction_id, row.late, row.source, told_at, row.revision)
