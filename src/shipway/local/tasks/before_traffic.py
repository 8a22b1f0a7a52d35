"""What services do before a rollout starts their tasks, side by side: a rollout waits for the slowest, not for the sum."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from shipway.core.ports.telling import Tell

AT_ONCE = 4


def run_all(services: Sequence[str], run: Callable[[str], None], tell: Tell) -> None:
    """Run each service's, AT_ONCE at a time. Raises the error of the first service, in that order, that failed.

    Once one has failed no other begins; those that have begun are waited for, as half a migration helps nobody. What
    went wrong with further ones is told.
    """
    failed = threading.Event()

    def run_one(service: str) -> None:
        if failed.is_set():
            return
        try:
            run(service)
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="before-traffic") as pool:
        ended = [pool.submit(run_one, service) for service in services]
    errors = [error for one in ended if (error := one.exception()) is not None]
    for further in errors[1:]:
        tell(str(further))
    if errors:
        raise errors[0]
