"""Writes what `GET /bundles` answers to S3: on AWS, whoever decides about bundles reaches no task.

Each task writes the whole, as all tasks share one store: whichever wrote last is right.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable

from app_updates import counts
from app_updates.places import Unwritable, put_at
from app_updates.settings import Settings
from app_updates.store import Store, StoreAway

log = logging.getLogger(__name__)
INTERVAL, JITTER = 30.0, 0.2
"""Seconds between two reports; tasks that were started together do not report together."""
NAME = "bundles.json"


def reporter_of(settings: Settings, store: Store, clock: Callable[[], float] = time.time) -> Reporter | None:
    """Reports what the store knows; None where nobody wants it or nothing is offered. Raises WrongPlace."""
    if settings.counts is None or settings.lacking is not None:
        return None
    put = put_at(settings.counts)

    def told() -> bytes:
        now = clock()
        return store.in_transaction(lambda connection: counts.told(connection, now)).text().encode()

    return Reporter(told, lambda body: put(NAME, body))


class Reporter:
    """Reports again and again in a thread of its own. What fails is reported the next time."""

    def __init__(self, told: Callable[[], bytes], put: Callable[[bytes], None], interval: float = INTERVAL) -> None:
        self._told, self._put, self._interval = told, put, interval
        self._failing = ""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)

    def start(self) -> None:
        """Begin, with a report at once."""
        self._thread.start()

    def close(self) -> None:
        """End; a report that is under way comes to its end."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def report(self) -> None:
        """Write what is known now."""
        try:
            self._put(self._told())
            failing = ""
        except (StoreAway, Unwritable) as error:
            failing = str(error)
        except Exception as error:
            # Unforeseen, such as a driver's own: it must not end the reports.
            failing = f"{type(error).__name__}: {error}"
        if failing != self._failing:
            log.warning("counts of bundles: %s", failing or "reported again")
        self._failing = failing

    def _run(self) -> None:
        while True:
            self.report()
            if self._stopped.wait(self._interval * random.uniform(1 - JITTER, 1 + JITTER)):
                return
