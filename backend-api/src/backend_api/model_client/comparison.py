"""Asks the other route what a client was already told by its own, and counts where the two differ."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import asdict

from backend_api.config.settings import Settings
from backend_api.logs import Logger
from backend_api.middleware import RequestContext
from backend_api.model_client.route import ModelRequest, Route, Scored, Unreachable, UnusableAnswer

_LOG_PAUSE = 1.0


class Comparison:
    """Beside the requests: no failure here changes an answer. Bounded in number and in time.

    So its failures open no breaker: it has one attempt where a client has several, and how often it asks is a setting.
    A route that is left alone is left alone by it, too. It may be the one who probes, for which then no client waits.
    """

    def __init__(self, settings: Settings, log: Logger) -> None:
        self._percent = settings.model_compare_percent
        self._tolerance = settings.model_compare_tolerance
        self._time_limit = settings.model_deadline
        # A share of the connections, so that those whom the other route answers always find one.
        self._room = max(1, settings.model_connections // 4)
        self._log = log
        self._under_way: set[asyncio.Task[None]] = set()
        self._counts: Counter[str] = Counter()
        self._largest = 0.0
        self._log_again = dict.fromkeys(("disagreed", "other_version", "failed"), 0.0)
        self._unlogged: Counter[str] = Counter()

    def offer(self, request: ModelRequest, context: RequestContext, route: Route, scored: Scored, other: Route) -> None:
        """Compares this request if it is among the chosen share and there is room; returns at once."""
        if random.random() * 100 >= self._percent:
            return
        now = asyncio.get_running_loop().time()
        deadline = now + self._time_limit
        if len(self._under_way) >= self._room or not other.breaker.admits(now, deadline):
            self._counts["dropped"] += 1
            return
        task = asyncio.create_task(self._compare(request, context, route, scored, other, deadline))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _compare(
        self,
        request: ModelRequest,
        context: RequestContext,
        route: Route,
        scored: Scored,
        other: Route,
        deadline: float,
    ) -> None:
        try:
            also = await other.score(request, context, deadline, retries=0)
        except (Unreachable, UnusableAnswer) as error:
            self._tell("failed", context, {"message": f"{other.who}: {error}"})
            return
        pairs = zip(scored.probabilities, also.probabilities, strict=True)
        difference = max(abs(one - another) for one, another in pairs)
        self._largest = max(self._largest, difference)
        self._counts["compared"] += 1
        said = {route.name: asdict(scored), other.name: asdict(also), "difference": difference}
        agreed = True
        if difference > self._tolerance:
            agreed = False
            self._tell("disagreed", context, said)
        if scored.model_version != also.model_version:
            agreed = False
            self._tell("other_version", context, said)
        self._counts["agreed"] += agreed

    def _tell(self, outcome: str, context: RequestContext, fields: dict[str, object]) -> None:
        """Counts it, and logs it unless the last such line is too recent."""
        self._counts[outcome] += 1
        now = asyncio.get_running_loop().time()
        if now < self._log_again[outcome]:
            self._unlogged[outcome] += 1
            return
        self._log_again[outcome] = now + _LOG_PAUSE
        self._log.warning(
            "model_comparison",
            outcome=outcome,
            request_id=context.request_id,
            **fields,
            unlogged_before=self._unlogged.pop(outcome, 0),
        )

    def to_json(self) -> dict[str, object]:
        """The counts since the task's start; `agreed` are those of the same version and within the tolerance."""
        outcomes = ("compared", "agreed", "disagreed", "other_version", "failed", "dropped")
        return {
            "percent": self._percent,
            "tolerance": self._tolerance,
            **{outcome: self._counts[outcome] for outcome in outcomes},
            "largest_difference": self._largest,
        }

    async def close(self) -> None:
        """Gives up what is under way."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
