"""Faults × moments of a rollout × strategies, under load: what was sent, what was lost, how long until all is well."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from benchmarks.clients import clients, wait_for_requests
from benchmarks.throwaway import Hello, hello
from shipway.core.rollouts.plan import ALL
from shipway.demo.question import Question
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.machine import Machine

GETS, POSTS = 100.0, 20.0
DELAY = 0.02
"""An answer takes so long: at each moment some requests are under way."""
_COMMON = {"step_wait": 1.0, "bake": 1.0, "keep_warm": 20}
STRATEGIES: Mapping[str, Mapping[str, Any]] = {
    "all_at_once": {"strategy": "all_at_once", **_COMMON},
    "rolling": {"strategy": "rolling", **_COMMON},
    "blue_green": {"strategy": "blue_green", **_COMMON},
    "canary": {"strategy": "canary", "steps": [20, 60], **_COMMON},
    "linear": {"strategy": "linear", "step_percent": 50, **_COMMON},
}
STEADY = "steady"
_ALL_AT_ONCE = {"all_at_once", "blue_green"}


@dataclass(frozen=True)
class Cell:
    """One fault at one moment of a rollout by one strategy; at the moment `steady` there is no rollout."""

    fault: Fault
    moment: str
    strategy: str

    def __str__(self) -> str:
        rollout = "no rollout" if self.moment == STEADY else f"{self.strategy}, {self.moment}"
        return f"{self.fault.name}; {rollout}"


@dataclass(frozen=True)
class Row:
    """What came of a cell. Seconds are None where nothing was lost; `broken` says which promise was not kept."""

    cell: Cell
    sent: int
    fresh: int
    kept: int
    posts: int
    failing_seconds: float | None
    slowest_ms: float
    whole_seconds: float
    ended: str
    broken: tuple[str, ...]


def cells() -> list[Cell]:
    """Every cell: each fault without a rollout, and at each moment of each strategy."""
    found = [Cell(fault, STEADY, "") for fault in FAULTS if not fault.needs_rollout]
    for fault, strategy in itertools.product(FAULTS, STRATEGIES):
        moments = ["candidate starts", "all traffic", "just promoted"]
        if strategy not in _ALL_AT_ONCE:
            moments.insert(1, "first clients")
        if fault.needs_rollout:
            moments.pop()
        found += [Cell(fault, moment, strategy) for moment in moments]
    return found


def chosen(seed: int, count: int | None) -> list[Cell]:
    """All cells in an order that the seed decides, or the first `count` of them."""
    found = cells()
    random.Random(seed).shuffle(found)
    return found[:count]


def play(wanted: Sequence[Cell]) -> Iterator[Row]:
    """Strike one after the other, on one machine."""
    with hello(delay=DELAY) as app:
        machine = Machine(app)
        for cell in wanted:
            machine.until(machine.is_whole, "a whole machine")
            yield _play(machine, app, cell)


def _play(machine: Machine, app: Hello, cell: Cell) -> Row:
    run = None
    with ExitStack() as stack:
        folder = app.stage.folder
        gets = stack.enter_context(clients(app.url, Question("/"), GETS, folder, "get"))
        posts = stack.enter_context(clients(app.url, Question("/", method="POST"), POSTS, folder, "post"))
        if cell.moment != STEADY:
            app.commit(STRATEGIES[cell.strategy], delay=DELAY)
            run = app.stage.shipway("deploy", "--detach").answer()["run"]["id"]
            machine.until(lambda: _is_at(machine, cell.moment, run), str(cell))
        struck = time.time()
        cell.fault.strike(machine)
        wait_for_requests(gets, int(GETS / 2))
        cell.fault.heal(machine)
        if run is not None:
            machine.until(lambda: not machine.run(run)["live"], f"{cell}: the end of run {run}")
        machine.until(machine.is_whole, f"{cell}: a whole machine")
        whole = time.time() - struck
        wait_for_requests(gets, int(GETS / 2))
        seen = gets.stop(), posts.stop()
    return _row(cell, struck, whole, *seen, "" if run is None else machine.run(run)["status"])


def _is_at(machine: Machine, moment: str, run: str) -> bool:
    rollout = machine.environment()["rollout"]
    if moment == "just promoted":
        return not machine.run(run)["live"]
    if rollout is None or rollout["run"] != run:
        if not machine.run(run)["live"]:
            ended = machine.run(run)
            raise AssertionError(f"run {run} ended {ended['status']} before it came to {moment!r}: {ended['reason']}")
        return False
    if moment == "candidate starts":
        return rollout["phase"] in ("starting", "probing")
    return rollout["phase"] == "shifting" and (rollout["weight"] == ALL) == (moment == "all traffic")


def _row(cell: Cell, struck: float, whole: float, gets: Mapping[str, Any], posts: Mapping[str, Any], ended: str) -> Row:
    kept = sum(failure["connection"] == "kept" for failure in gets["failures"])
    fresh = gets["failed"] - kept
    times = [failure["at"] for failure in (*gets["failures"], *posts["failures"])]
    broken = [
        f"{what}: {lost} lost, {allowed} promised"
        for what, lost, allowed in (
            ("GET on fresh connections", fresh, cell.fault.fresh),
            ("GET on kept connections", kept, cell.fault.kept),
            ("POST", posts["failed"], cell.fault.posts),
        )
        if allowed is not None and lost > allowed
    ]
    if ended and ended not in cell.fault.ends:
        broken.append(f"the good commit's run ended {ended}")
    slowest = max(step["latency_ms"]["max"] for seen in (gets, posts) for step in seen["steps"])
    return Row(
        cell, gets["sent"] + posts["sent"], fresh, kept, posts["failed"],
        max(times) - struck if times else None, slowest, whole, ended, tuple(broken),
    )  # fmt: skip
