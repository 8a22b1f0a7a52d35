"""The outbox: what the database has and the bucket lacks is written, whoever dies on the way."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from backend_api.labels import ground_truth
from backend_api.labels.bucket import Bucket, BucketError
from backend_api.logs import Logger
from backend_api.storage.outcomes import OutcomeStore

GATHER = 1.0
"""Seconds in which outcomes gather for one file."""
LOOK_EVERY = 30.0
"""Seconds between looks for what another task left unwritten, and the longest pause after a failure."""
LEASE = timedelta(seconds=60)
AT_MOST = 1000
"""Outcomes in one go."""


class LabelWriter:
    """One a task. A label is written at least once: a task that dies between writing and saying so repeats it."""

    def __init__(self, store: OutcomeStore, bucket: Bucket, endpoint: str, log: Logger) -> None:
        self._store = store
        self._bucket = bucket
        self._endpoint = endpoint
        self._log = log
        self._arrived = asyncio.Event()
        self._failures = 0

    def notify(self) -> None:
        """There is an outcome to be written."""
        self._arrived.set()

    async def run(self) -> None:
        """Writes until cancelled; what fails is tried again, ever more rarely."""
        while True:
            self._arrived.clear()
            if await self._deliver_all():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._arrived.wait(), LOOK_EVERY)
                await asyncio.sleep(GATHER)
            else:
                await asyncio.sleep(min(GATHER * 2**self._failures, LOOK_EVERY))

    async def close(self, timeout: float) -> None:
        """Writes what is left, within a bound; what then still is left another task writes."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._deliver_all(), timeout)

    async def _deliver_all(self) -> bool:
        try:
            while await self._deliver() == AT_MOST:
                pass
        except (BucketError, SQLAlchemyError, OSError) as error:
            if not self._failures:
                message = f"labels wait in the database: {str(error)[:300] or type(error).__name__}"
                self._log.error("labels", message=message)
            self._failures += 1
            return False
        if self._failures:
            self._log.info("labels", message="labels are written again")
        self._failures = 0
        return True

    async def _deliver(self) -> int:
        """Writes the oldest `AT_MOST`: a file for each hour in which they became known."""
        claimed = await self._store.claim(AT_MOST, datetime.now(UTC), LEASE)
        for hour, outcomes in ground_truth.by_hour(claimed).items():
            key = ground_truth.key(self._endpoint, hour, datetime.now(UTC), uuid.uuid4().hex[:8])
            content = b"".join(map(ground_truth.line, outcomes))
            try:
                await asyncio.to_thread(self._bucket.put, key, content)
            except BucketError:
                # Not those of an earlier hour, which are written: they are out of everyone's reach already.
                await self._store.release(claimed)
                raise
            await self._store.mark_written(outcomes, datetime.now(UTC))
        return len(claimed)
