"""Nothing is lost while things change under load."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from router_harness import Load, Loop, Task, topology

from shipway.core.observations.observation import Side
from shipway.local.router import Router
from tests.waiting import wait_for


@pytest.mark.parametrize("keep_alive", [True, False])
def test_shifts_lose_nothing(router: Router, both: dict[Side, Task], port: int, loop: Loop, keep_alive: bool) -> None:
    """200 shifts in a row under load: no request fails."""
    load = Load(loop, port, keep_alive=keep_alive)
    load.wait_for(100)
    for number in range(200):
        router.shift("prod", "green" if number % 2 else "blue", (number * 997) % 10_001)
    load.wait_for(100)
    load.stop()
    assert [] == load.failures
    assert {"blue", "green"} == set(load.sides)


def test_change_of_candidate_is_never_half_done(router: Router, both: dict[Side, Task], port: int, loop: Loop) -> None:
    """From (green, all) to (blue, none) and back, no request sees blue."""
    router.shift("prod", "green", 10_000)
    load = Load(loop, port)
    for number in range(300):
        router.shift("prod", *(("blue", 0) if number % 2 else ("green", 10_000)))
    load.wait_for(50)
    load.stop()
    assert ([], {"green"}) == (load.failures, set(load.sides))


@pytest.mark.parametrize("keep_alive", [True, False])
def test_replacing_every_task_loses_nothing(
    router: Router, start: Callable[..., Task], port: int, loop: Loop, keep_alive: bool
) -> None:
    """Tasks replaced one after the other, drained, stopped and forgotten: no request fails."""
    current = start("t0")
    router.set_tasks("prod", "blue", "backend-api", {"t0": current.port})
    load = Load(loop, port, keep_alive=keep_alive)
    for number in range(1, 15):
        following = start(f"t{number}")
        router.set_tasks("prod", "blue", "backend-api", {following.name: following.port})
        wait_for(lambda: router.in_flight("prod", "blue", "backend-api", current.name) == 0, "drained")  # noqa: B023
        current.kill()
        router.forget_task("prod", "blue", "backend-api", current.name)
        current = following
        load.wait_for(20)
    load.stop()
    assert [] == load.failures


@pytest.mark.parametrize("keep_alive", [True, False])
def test_reloads_lose_nothing(router: Router, both: dict[Side, Task], port: int, loop: Loop, keep_alive: bool) -> None:
    """Reloads in a row under load, with shifts in between: no request fails."""
    load = Load(loop, port, keep_alive=keep_alive)
    for number in range(4):
        load.wait_for(50)
        router.ensure_running(topology(port, extra=f"/v{number}/*"))
        router.shift("prod", "green", 5_000 * (number % 3))
    load.wait_for(50)
    load.stop()
    assert [] == load.failures
