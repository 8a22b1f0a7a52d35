"""A way to the model: bounded attempts within a deadline, only usable answers, and what came of them."""

from __future__ import annotations

import asyncio
import random
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backend_api.config.settings import Settings
from backend_api.http_pool import BadAnswer, HttpPool
from backend_api.logs import WriteLine
from backend_api.model.breaker import Breaker
from backend_api.request_context import RequestContext

FAILURES_TO_OPEN = 5
"""In a row. Fewer would be chance, as each has spent its retries or the read timeout; more only cost more clients."""
COOL_DOWN = 10.0
"""Seconds between probes, each of which may cost a client the read timeout; a route that is back waits no longer."""
_REMEMBERED = 1000


class Away(Exception):
    """The model can't be had by this route now: the text goes after the route's name, `detail` into the log alone."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.detail = detail


class Nonsense(Exception):
    """The model answered, and the answer is not usable: the text says why."""


class Passing(Exception):
    """A fault that may be gone at the next attempt: the text goes after the route's name."""


class _Answer(BaseModel):
    model_config = ConfigDict(strict=True, protected_namespaces=(), allow_inf_nan=False)

    model_version: str = Field(min_length=1, max_length=100)
    predictions: list[Annotated[float, Field(ge=0, le=1)]] = Field(min_length=1, max_length=1)


@dataclass(frozen=True)
class Scored:
    """The model's word on one row."""

    probability: float
    model_version: str


def scored_in(body: bytes) -> Scored:
    """The one prediction in an answer's body. Raises Nonsense."""
    try:
        answer = _Answer.model_validate_json(body)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"]) or "body"
        raise Nonsense(f"{where}: {fault['msg']}") from error
    return Scored(probability=answer.predictions[0], model_version=answer.model_version)


class Figures:
    """What a route was asked since the task's start, comparisons included, and how it did."""

    def __init__(self) -> None:
        self.asked = self.failed = self.fell_back = 0
        self.last = "not asked yet"
        self._seconds: deque[float] = deque(maxlen=_REMEMBERED)

    def answered(self, seconds: float) -> None:
        """One usable answer."""
        self.last = "answered"
        self._seconds.append(seconds)

    def failed_with(self, reason: str) -> None:
        """One request without a usable answer."""
        self.failed += 1
        self.last = reason

    def to_json(self) -> dict[str, object]:
        """Counts, and the latency of the last thousand answers."""
        seconds = sorted(self._seconds)
        latency = {f"p{p}": round(seconds[len(seconds) * p // 100] * 1000, 2) for p in (50, 95)} if seconds else None
        return {"asked": self.asked, "failed": self.failed, "fell_back": self.fell_back, "latency_ms": latency}


class Route(ABC):
    """Shared by all requests of a task; `close` at the end."""

    name: str
    """In log lines and figures."""
    who: str
    """In messages, where it is the subject."""

    def __init__(self, settings: Settings, pool: HttpPool, path: str, write: WriteLine) -> None:
        self.figures = Figures()
        self.breaker = Breaker(FAILURES_TO_OPEN, COOL_DOWN)
        self._write = write
        self._pool = pool
        self._path = path
        self._read_timeout = settings.model_read_timeout
        self._retry_pause = settings.model_retry_pause

    @abstractmethod
    def _headers(self, body: bytes, context: RequestContext) -> Mapping[str, str]:
        """What goes along with the body. Raises Away."""

    @abstractmethod
    def _read(self, status: int, body: bytes, noted: bytes) -> Scored:
        """The answer's content. Raises Passing, Away, Nonsense."""

    @abstractmethod
    async def state(self, timeout: float) -> dict[str, str]:
        """How the route is, for `/ready`; never raises for one that is away."""

    async def score(
        self, body: bytes, context: RequestContext, deadline: float, retries: int, patience: float | None = None
    ) -> Scored:
        """The probability for the one row in `body`, by `deadline` on the loop's clock. Raises Away, Nonsense.

        An answer is waited for `patience` seconds, by default the read timeout.
        """
        clock = asyncio.get_running_loop().time
        asked_at = clock()
        # The loop's own clock may only move between its turns.
        began = time.perf_counter()
        figures = self.figures
        figures.asked += 1
        try:
            headers = self._headers(body, context)
            reason = ""
            for attempt in range(retries + 1):
                if attempt:
                    # Full jitter: tasks that lost the same model task do not come back in step.
                    pause = random.uniform(0, self._retry_pause * 2 ** (attempt - 1))
                    if clock() + pause >= deadline:
                        break
                    await asyncio.sleep(pause)
                timeout = min(self._read_timeout if patience is None else patience, deadline - clock())
                try:
                    scored = self._read(*await self._pool.request("POST", self._path, headers, body, timeout))
                except TimeoutError as error:
                    # Asking again would only add to what the other side can't keep up with.
                    raise Away(f"did not answer within {timeout:.3g} s") from error
                except OSError as error:
                    reason = f"could not be reached ({type(error).__name__})"
                except Passing as error:
                    reason = str(error)
                except BadAnswer as error:
                    raise Nonsense(str(error)) from error
                else:
                    figures.answered(time.perf_counter() - began)
                    self._close_breaker(clock())
                    return scored
            raise Away(reason)
        except Away as error:
            figures.failed_with(str(error))
            self.breaker.still_away(asked_at, clock())
            raise
        except Nonsense as error:
            figures.failed_with(str(error))
            self._close_breaker(clock())
            raise

    def count_failure(self, began: float, away: Away) -> None:
        """A client who was sent here first got no answer: enough of them in a row open the breaker."""
        if self.breaker.failed(began, asyncio.get_running_loop().time()):
            message = f"{FAILURES_TO_OPEN} requests in a row in vain, the last because {self.who} {away}"
            self._tell_breaker(
                "warning", f"{message}; the other route is asked, every {COOL_DOWN:g} s this one is probed"
            )

    def _close_breaker(self, now: float) -> None:
        if self.breaker.answered(now):
            self._tell_breaker("info", f"{self.who} answers and is asked again")

    def _tell_breaker(self, level: str, message: str) -> None:
        line = {"level": level, "event": "model_route_breaker", "route": self.name, "state": self.breaker.state}
        self._write(line | {"message": message})

    async def close(self) -> None:
        """Closes the idle connections."""
        self._pool.close()
