"""Sends questions and outcomes over a few kept connections, and counts every failure.

Questions go first: what is known for the feature store may be renewed only once those that came before are answered, and
outcomes fill the pauses. Nothing is sent twice.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from shipway.core.description.replay import ID, Replay
from shipway.demo.exchange import Answer, Connection, Failed
from shipway.replay.events import Outcome, Request

CONNECTIONS = 8
TIMEOUT = 30.0
MOST_OUTCOMES = 64
"""Outcomes that may wait: enough to fill a pause, few enough to be told soon."""
_EXAMPLES = 5


@dataclass(slots=True)
class Counts:
    """What was sent since the last month began. `scored` pairs predictions with labels that were taken.

    `unasked` outcomes were not sent: their question had failed.
    """

    requests: int = 0
    answered: int = 0
    outcomes: int = 0
    failed: int = 0
    unasked: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    scored: list[tuple[float, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Asked:
    """An answered question: the prediction's id, its value, and who asked."""

    id: str
    prediction: float
    device: str


class Sender:
    """One for a replay; used within `async with`."""

    def __init__(self, url: str, routes: Replay, connections: int = CONNECTIONS, timeout: float = TIMEOUT) -> None:
        """`url`: `http://HOST:PORT`."""
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._routes = routes
        self._timeout = timeout
        self._requests: deque[Request] = deque()
        self._outcomes: deque[Outcome] = deque()
        self._open: set[str] = set()
        self._answers: dict[str, _Asked] = {}
        self._busy = 0
        self._work, self._news = asyncio.Event(), asyncio.Event()
        self._tasks = [asyncio.create_task(self._send_all()) for _ in range(connections)]
        self.counts = Counts()

    async def __aenter__(self) -> Sender:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task

    async def ask(self, request: Request) -> None:
        """Send it as soon as a connection is free; waits while as many wait as there are connections."""
        self._open.add(request.id)
        self._requests.append(request)
        self.counts.requests += 1
        self._work.set()
        await self._until(lambda: len(self._requests) < len(self._tasks))

    async def tell(self, outcome: Outcome) -> None:
        """Send it once its question is answered, and when no question waits."""
        await self._until(lambda: outcome.id not in self._open)
        self._outcomes.append(outcome)
        self._work.set()

    async def answered(self) -> None:
        """All questions so far are answered, and few outcomes wait."""
        await self._until(lambda: not self._open and len(self._outcomes) <= MOST_OUTCOMES)

    async def settled(self) -> None:
        """All that was to be sent is answered."""
        await self._until(lambda: not self._open and not self._outcomes and not self._busy)

    def begin_month(self) -> Counts:
        """Count anew; answers that no outcome came for are forgotten. Answers what was counted so far."""
        counts, self.counts = self.counts, Counts()
        self._answers.clear()
        return counts

    async def _until(self, wanted: Callable[[], bool]) -> None:
        while not wanted():
            self._news.clear()
            await self._news.wait()
            for task in self._tasks:
                if task.done():
                    # A worker ends by a fault alone: it is the caller's.
                    task.result()

    async def _send_all(self) -> None:
        connection: Connection | None = None
        try:
            while True:
                if not self._requests and not self._outcomes:
                    self._work.clear()
                    await self._work.wait()
                    continue
                self._busy += 1
                connection = await (self._ask(connection) if self._requests else self._tell(connection))
                self._busy -= 1
                self._news.set()
        finally:
            self._news.set()
            if connection is not None:
                connection.close()

    async def _ask(self, connection: Connection | None) -> Connection | None:
        request = self._requests.popleft()
        connection, answer = await self._exchange(connection, self._routes.ask, request.device, request.body)
        if answer is not None:
            try:
                found = json.loads(answer.body)
                asked = _Asked(str(found[self._routes.id]), float(found[self._routes.prediction]), request.device)
            except (ValueError, KeyError, TypeError) as error:
                self._fail("body", f"{self._routes.ask}: {answer.body[:200]!r}: {error!r}")
            else:
                self._answers[request.id] = asked
                self.counts.answered += 1
        self._open.discard(request.id)
        return connection

    async def _tell(self, connection: Connection | None) -> Connection | None:
        outcome = self._outcomes.popleft()
        asked = self._answers.pop(outcome.id, None)
        if asked is None:
            self.counts.unasked += 1
            return connection
        path = self._routes.tell.replace(ID, quote(asked.id, safe=""))
        connection, answer = await self._exchange(connection, path, asked.device, outcome.body)
        if answer is not None:
            self.counts.outcomes += 1
            self.counts.scored.append((asked.prediction, outcome.label))
        return connection

    async def _exchange(
        self, connection: Connection | None, path: str, device: str, body: bytes
    ) -> tuple[Connection | None, Answer | None]:
        """The answer with a status below 300, or None; and the connection, if it can be used again."""
        head = (
            f"POST {path} HTTP/1.1\r\nhost: {self._host}:{self._port}\r\nx-device-id: {device}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        try:
            async with asyncio.timeout(self._timeout):
                if connection is None or not connection.reusable():
                    if connection is not None:
                        connection.close()
                        connection = None
                    connection = await Connection.open(self._host, self._port)
                answer = await connection.ask(head.encode("latin-1") + body)
        except TimeoutError:
            self._fail("timeout", f"{path}: no answer within {self._timeout:g} s")
        except Failed as failed:
            self._fail(failed.kind, f"{path}: {failed.detail}")
        else:
            if answer.status < 300:
                return connection, answer
            start = answer.body[:200].decode("utf-8", "replace")
            self._fail("status", f"{path} answered {answer.status}: {start}")
            return connection, None
        if connection is not None:
            connection.close()
        return None, None

    def _fail(self, kind: str, detail: str) -> None:
        self.counts.failed += 1
        self.counts.kinds[kind] += 1
        if len(self.counts.examples) < _EXAMPLES:
            self.counts.examples.append(detail)
