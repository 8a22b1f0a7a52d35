"""What a rollout's step waits for: how much of it was seen, how long at most, and what happens then."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shipway.cli.render.text import duration, plain, share

QUARTERS = 4


def waits(rollout: dict[str, Any], now: float) -> str | None:
    """`waits for clients: 12 of 50 requests; else rolls back in 87 s`; None where it waits for nothing."""
    waiting = rollout.get("waiting")
    if not waiting:
        return None
    then = "rolls back" if waiting["then"] == "rollback" else "goes on all the same"
    return f"{_lack(waiting)}; else {then} in {duration(waiting['until'] - now)}"


def waiting_line(environment: dict[str, Any], now: float) -> str | None:
    """`prod: step 1 of 4 (5 %) waits for …`; None where the environment's rollout waits for nothing."""
    rollout = environment["rollout"]
    if not rollout or (what := waits(rollout, now)) is None:
        return None
    step = f"step {rollout['step']} of {rollout['steps']} ({share(rollout['weight'])})"
    return f"{plain(environment['name'])}: {step} {what}"


class SparseNews:
    """What rollouts wait for where no line can be redrawn: told when a step begins to, and once for each new quarter.

    A quarter of what it waits for, or of the time that it may wait: a handful of lines for each step, however long.
    """

    def __init__(self) -> None:
        self._told: set[tuple[object, ...]] = set()

    def lines(self, status: dict[str, Any], now: float, run: str | None = None) -> Iterator[str]:
        """The lines that are new in this status; with `run` of that run's rollouts only."""
        for environment in status["environments"]:
            line, rollout = waiting_line(environment, now), environment["rollout"]
            if line is None or run not in (None, rollout["run"]) or now < rollout["waiting"]["holds_from"]:
                continue
            reached = (rollout["id"], rollout["step"], *_quarters(rollout["waiting"], now))
            if reached not in self._told:
                self._told.add(reached)
                yield line


def _lack(waiting: dict[str, Any]) -> str:
    counts = waiting["counts"]
    if not counts:
        return f"waits for more evidence: {plain(waiting['reason'])}"
    if counts[0]["what"] == "tasks":
        return f"waits for tasks: {counts[0]['seen']} of {counts[0]['needed']} ready"
    return "waits for clients: " + ", ".join(_count(count) for count in counts)


def _count(count: dict[str, Any]) -> str:
    whose, what = ("stable ", "") if count["side"] == "stable" else ("", f" {plain(count['what'])}")
    if count["seen"] >= count["needed"]:
        return f"{whose}{count['seen']:,}{what} (enough)"
    probes = " (own probes count)" if count["probes"] else ""
    return f"{whose}{count['seen']:,} of {count['needed']:,}{what}{probes}"


def _quarters(waiting: dict[str, Any], now: float) -> tuple[str, int, int]:
    """What is missing first, and the quarters that were reached: of it, and of the longest wait."""
    counts = waiting["counts"]
    seen = min((count["seen"] / count["needed"] for count in counts), default=0.0)
    longest = waiting["until"] - waiting["holds_from"]
    waited = (now - waiting["holds_from"]) / longest if longest > 0 else 0.0
    first = counts[0]["what"] if counts else ""
    return first, _quarter(seen), _quarter(waited)


def _quarter(part: float) -> int:
    return min(QUARTERS - 1, int(QUARTERS * part))
