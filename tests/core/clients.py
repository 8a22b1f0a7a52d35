"""Clients in simulated time: requests come at a rate, each side answers as its distribution says, a rollout watches."""

from __future__ import annotations

import math
import random
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field

from shipway.core.observations.observation import Observation, Side, Tasks, Traffic
from shipway.core.rollouts.machine import State, decide
from shipway.core.rollouts.plan import ALL, Plan

Draw = Callable[[random.Random], float]
"""The seconds until an answer's head; `math.inf` for a request that hangs."""
TICK = 0.2


@dataclass
class _Answers:
    """One side: what it has answered, and when what is under way will be."""

    requests: int = 0
    latencies: list[float] = field(default_factory=list)
    open: list[tuple[float, float]] = field(default_factory=list)

    def ask(self, at: float, seconds: float) -> None:
        self.requests += 1
        insort(self.open, (at + seconds, at))

    def seen_at(self, now: float) -> Traffic:
        while self.open and self.open[0][0] <= now:
            answered, came = self.open.pop(0)
            self.latencies.append(answered - came)
        waiting = tuple(now - came for _, came in self.open if now - came >= 1)
        return Traffic(self.requests, 0, tuple(self.latencies[-4096:]), "e", "", waiting)


def roll_out(plan: Plan, rate: float, stable: Draw, candidate: Draw, seed: object) -> State:
    """Play a rollout to its end under `rate` requests a second; `since` of the last state is how long it took."""
    chance = random.Random(str(seed))
    sides: dict[Side, _Answers] = {"blue": _Answers(), "green": _Answers()}
    probes = Traffic(6, 0, (0.005,) * 6)
    state = State("green", has_stable=True)
    now, following = 0.0, chance.expovariate(rate)
    while not state.ended:
        now += TICK
        while following <= now:
            green = chance.random() * ALL < state.weight
            sides["green" if green else "blue"].ask(following, (candidate if green else stable)(chance))
            following += chance.expovariate(rate)
        traffic = {side: answers.seen_at(now) for side, answers in sides.items()}
        tasks = Tasks(plan.tasks, plan.tasks)
        before, state = state, decide(plan, state, Observation(now, {"blue": tasks, "green": tasks}, traffic, probes))
        if before.weight == 0:
            for answers in sides.values():
                answers.latencies.clear()
        probes = probes if state.phase == "probing" else Traffic()
    return state


def steady(seconds: float) -> Draw:
    """Always about so long: within a tenth."""
    return lambda chance: seconds * chance.uniform(0.95, 1.05)


def exponential(mean: float) -> Draw:
    """Memoryless."""
    return lambda chance: chance.expovariate(1 / mean)


def log_normal(median: float, sigma: float) -> Draw:
    """What services mostly look like: sigma 1 has its 95th percentile at five times the median."""
    return lambda chance: median * math.exp(chance.gauss(0, sigma))


def pareto(least: float, alpha: float) -> Draw:
    """A tail so heavy that there is no variance (alpha below 2)."""
    return lambda chance: least * chance.paretovariate(alpha)


def sometimes(share: float, rare: Draw, usual: Draw) -> Draw:
    """Two kinds of requests: `share` of them are the rare kind."""
    return lambda chance: rare(chance) if chance.random() < share else usual(chance)


def hangs(_: random.Random) -> float:
    """Never answers."""
    return math.inf
