"""A task's loop beside a test that changes what it follows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from ml_model_service.versions.reload import Served, follow
from places import Place

DEADLINE = 10.0


def following(place: Place, story: Callable[[Served], Coroutine[Any, Any, None]]) -> None:
    """Run `story` beside a follower of the place's parameter that retries at once."""
    ticks = iter(range(0, 10**9, 1000))

    async def run() -> None:
        served = Served()
        source, parameter = place.source(), place.parameter()
        follower = asyncio.create_task(follow(served, parameter, source, lambda: float(next(ticks))))
        await story(served)
        follower.cancel()

    asyncio.run(run())


async def until(condition: Callable[[], bool]) -> None:
    """Wait for the condition, within bounds."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        await asyncio.sleep(0.005)


def serves(served: Served, version: str) -> Callable[[], bool]:
    """Whether exactly this version is in service and nothing else is wanted."""
    return lambda: served.model is not None and served.model.version == version and served.pending is None


def reason(served: Served) -> str:
    """Why what is wanted is not served; empty where nothing is known."""
    return (served.pending and served.pending.error) or ""
