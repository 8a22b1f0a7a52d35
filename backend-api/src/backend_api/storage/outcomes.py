"""Outcomes of predictions: kept once, and handed out until they are written as labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Row, and_, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from backend_api.storage.database import Database
from backend_api.storage.table import outcomes, predictions


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


class OutcomeStore:
    """All transactions that concern outcomes. Raises what the database raises."""

    def __init__(self, database: Database) -> None:
        self._database = database
        dialect = postgresql if database.dialect == "postgresql" else sqlite
        self._insert = dialect.insert(outcomes).on_conflict_do_nothing(index_elements=["prediction_id"])

    async def asked(self, prediction_id: str) -> Asked | None:
        """The prediction, or None where there is none."""
        query = select(predictions.c.departure, predictions.c.device).where(predictions.c.id == prediction_id)
        row = await self._database.run(lambda connection: connection.execute(query).first())
        return None if row is None else Asked(row.departure, row.device)

    async def keep(self, told: Told, corrects: bool) -> Told:
        """What is kept now: `told`, or what was told before, unless `told` says otherwise and `corrects` it."""
        return await self._database.run(lambda connection: self._keep(connection, told, corrects))

    def _keep(self, connection: Connection, told: Told, corrects: bool) -> Told:
        values = {"late": told.late, "source": told.source, "told_at": told.told_at}
        connection.execute(self._insert, {"prediction_id": told.prediction_id, "revision": 0, **values})
        one = outcomes.c.prediction_id == told.prediction_id
        if corrects:
            to_write = {"revision": outcomes.c.revision + 1, "claimed_until": None, "written_at": None}
            connection.execute(update(outcomes).where(one, outcomes.c.late != told.late).values(**values, **to_write))
        return _told(connection.execute(select(outcomes).where(one)).one())

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

        return sorted(await self._database.run(claimed), key=lambda told: told.told_at)

    async def release(self, claimed: Sequence[Told]) -> None:
        """Whoever comes next may write them."""
        ids = [told.prediction_id for told in claimed]
        free = update(outcomes).where(outcomes.c.prediction_id.in_(ids)).values(claimed_until=None)
        await self._database.run(lambda connection: connection.execute(free))

    async def mark_written(self, written: Sequence[Told], now: datetime) -> None:
        """They are labels now; those that were corrected meanwhile are still to be written."""

        def mark(connection: Connection) -> None:
            for told in written:
                same = and_(outcomes.c.prediction_id == told.prediction_id, outcomes.c.revision == told.revision)
                connection.execute(update(outcomes).where(same).values(written_at=now))

        await self._database.run(mark)


def _told(row: Row[tuple[object, ...]]) -> Told:
    told_at = row.told_at if row.told_at.tzinfo is not None else row.told_at.replace(tzinfo=UTC)
    return Told(row.prediction_id, row.late, row.source, told_at, row.revision)
