"""Requests lost over rollouts in a row, under load, with every strategy; and by hand, as the peer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.by_hand import lost_by_reload, lost_by_restart
from benchmarks.clients import clients, wait_for_requests
from benchmarks.figures import Effort, Figure, Tell
from benchmarks.throwaway import hello
from shipway.demo.question import Question

DELAY = 0.02
_RATES = {"quick": 200.0, "normal": 200.0, "full": 1000.0}
_ROLLOUTS = {"quick": 5, "normal": 20, "full": 100}
_REQUESTS = {"quick": 0, "normal": 0, "full": 1_000_000}
"""At least so many in all: after each rollout the clients go on until its share of them was sent."""
_COMMON = {"step_wait": 0.3, "bake": 0.3, "keep_warm": 0}
_STRATEGIES: tuple[Mapping[str, Any], ...] = (
    {"strategy": "all_at_once", **_COMMON},
    {"strategy": "rolling", **_COMMON},
    {"strategy": "blue_green", **_COMMON},
    {"strategy": "canary", "steps": [20, 60], **_COMMON},
    {"strategy": "linear", "step_percent": 25, **_COMMON},
)


def measure(effort: Effort, tell: Tell) -> Iterator[Figure]:
    """Every request counts, on kept and on fresh connections; nothing stays warm, so each rollout drains a side."""
    lost: dict[str, list[float]] = {str(policy["strategy"]): [] for policy in _STRATEGIES}
    rate = _RATES[effort]
    with hello(delay=DELAY) as app, clients(app.url, Question("/"), rate, app.stage.folder) as load:
        for number in range(_ROLLOUTS[effort]):
            policy = _STRATEGIES[number % len(_STRATEGIES)]
            load.mark(f"{number} {policy['strategy']}")
            app.commit(policy, delay=DELAY)
            release = app.deploy()["release"]["id"]
            share = _REQUESTS[effort] * (number + 1) // _ROLLOUTS[effort]
            wait_for_requests(load, max(50, share - load.progress["sent"]))
            failed = load.progress["failed"]
            tell(f"{number + 1}/{_ROLLOUTS[effort]} {policy['strategy']}: {release}, {failed} failed so far")
        summary = load.stop()
    for step in summary["steps"]:
        if " " in step["name"]:
            lost[step["name"].split()[1]].append(step["failed"])
    total = sum(map(sum, lost.values()))
    note = f"{summary['sent']:,} requests, half of them on fresh connections, {rate:g}/s"
    yield Figure(f"failed in {_ROLLOUTS[effort]} rollouts in a row", (summary["failed"],), "failed", 0, note=note)
    if total or summary["failed"]:
        for failure in summary["failures"][:10]:
            tell(f"failed: {failure}")
    for strategy, counts in lost.items():
        yield Figure(f"{strategy}, failed in each", tuple(counts), "failed", 0, "worst")
    times = 1 if effort == "quick" else 3
    for what, by_hand in (("restart in place", lost_by_restart), ("config edit, reload, TERM", lost_by_reload)):
        failed, sent = by_hand(times, _RATES["normal"], DELAY)
        tell(f"by hand, {what}: {failed} of {sent:,} failed")
        yield Figure(f"by hand: {what}, {times} ×", (failed,), "failed", note=f"of {sent:,}; the peer")
