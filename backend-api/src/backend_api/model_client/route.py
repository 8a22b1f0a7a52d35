"""A way to the model: bounded attempts within a deadline, only usable answers, and what came of them."""

from __future__ import annotations

import asyncio
import random
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import aiohttp
from aiohttp.connector import Connection
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json
from yarl import URL

from backend_api.config.settings import Settings
from backend_api.features import Feature
from backend_api.logs import Logger
from backend_api.middleware import RequestContext
from backend_api.model_client.breaker import Breaker

FAILURES_TO_OPEN = 5
"""In a row. Fewer would be chance, as each has spent its retries or the read timeout; more only cost more clients."""
COOL_DOWN = 10.0
"""Seconds between probes, each of which may cost a client the read timeout; a route that is back waits no longer."""
_REMEMBERED = 1000
_LARGEST_ANSWER = 256 * 1024


class Unreachable(Exception):
    """The model can't be had by this route now: the text goes after the route's name, `detail` into the log alone."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.detail = detail


class UnusableAnswer(Exception):
    """The model answered, and the answer is not usable: the text says why."""


class Passing(Exception):
    """A fault that may be gone at the next attempt: the text goes after the route's name."""


class _Answer(BaseModel):
    model_config = ConfigDict(strict=True, protected_namespaces=(), allow_inf_nan=False)

    model_version: str = Field(min_length=1, max_length=100)
    predictions: list[Annotated[float, Field(ge=0, le=1)]]


@dataclass(frozen=True)
class ModelRequest:
    """Rows to be scored by one call.

    What was captured of it is found by `inference_id`; without one, what really happened is joined to none of its rows.
    `custom_attributes` are captured beside the rows, to tell what they are for.
    """

    rows: Sequence[Mapping[str, Feature]]
    inference_id: str | None = None
    custom_attributes: str | None = None

    def body(self) -> bytes:
        """As both routes send it."""
        return to_json({"instances": self.rows})

    def headers(self) -> dict[str, str]:
        """SageMaker's names, which the model service knows as well."""
        named = {
            "x-amzn-sagemaker-inference-id": self.inference_id,
            "x-amzn-sagemaker-custom-attributes": self.custom_attributes,
        }
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True)
class Scored:
    """The model's word on each row of a request, in their order."""

    probabilities: Sequence[float]
    model_version: str


def scored_in(body: bytes) -> Scored:
    """The predictions in an answer's body. Raises UnusableAnswer."""
    try:
        answer = _Answer.model_validate_json(body)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"]) or "body"
        raise UnusableAnswer(f"{where}: {fault['msg']}") from error
    return Scored(answer.predictions, answer.model_version)


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


class _Response(aiohttp.ClientResponse):
    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """As soon as the request is on its way. Raises ServerDisconnectedError."""
        if connection.protocol is None or connection.protocol.should_close:
            # What came while nobody had asked would be taken for this answer, and each answer for the one before.
            raise aiohttp.ServerDisconnectedError("an answer that nobody asked for")
        return await super().start(connection)


class Route(ABC):
    """Shared by all requests of a task: `start` first, `close` at the end."""

    name: str
    """In log lines and figures."""
    who: str
    """In messages, where it is the subject."""

    def __init__(self, settings: Settings, url: str, log: Logger) -> None:
        """`url` is where rows are posted, escaped as it is sent."""
        self.figures = Figures()
        self.breaker = Breaker(FAILURES_TO_OPEN, COOL_DOWN)
        self._settings = settings
        self._url = URL(url, encoded=True)
        self._log = log
        self._session: aiohttp.ClientSession

    async def start(self) -> None:
        """Opens the pool of connections, which belongs to the running event loop."""
        settings = self._settings
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=settings.model_connections, keepalive_timeout=settings.model_idle_timeout
            ),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=settings.model_connect_timeout),
            response_class=_Response,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("accept", "accept-encoding", "user-agent"),
        )

    @abstractmethod
    def _headers(self, request: ModelRequest, body: bytes, context: RequestContext) -> Mapping[str, str]:
        """What goes along with the request's body. Raises Unreachable."""

    @abstractmethod
    def _read(self, status: int, headers: Mapping[str, str], body: bytes) -> Scored:
        """The answer's content. Raises Passing, Unreachable, UnusableAnswer."""

    @abstractmethod
    async def state(self, timeout: float) -> dict[str, str]:
        """How the route is, for `/ready`; never raises for one that is unreachable."""

    async def score(
        self,
        request: ModelRequest,
        context: RequestContext,
        deadline: float,
        retries: int,
        patience: float | None = None,
    ) -> Scored:
        """A probability for each row, by `deadline` on the loop's clock.

        An answer is waited for `patience` seconds, by default the read timeout. Raises Unreachable, UnusableAnswer.
        """
        clock = asyncio.get_running_loop().time
        asked_at = clock()
        # The loop's own clock may only move between its turns.
        began = time.perf_counter()
        figures = self.figures
        figures.asked += 1
        try:
            body = request.body()
            headers = self._headers(request, body, context)
            reason = ""
            for attempt in range(retries + 1):
                if attempt:
                    # Full jitter: tasks that lost the same model task do not come back in step.
                    pause = random.uniform(0, self._settings.model_retry_pause * 2 ** (attempt - 1))
                    if clock() + pause >= deadline:
                        break
                    await asyncio.sleep(pause)
                timeout = min(self._settings.model_read_timeout if patience is None else patience, deadline - clock())
                try:
                    scored = self._read(*await self._ask("POST", self._url, headers, body, timeout))
                    if len(scored.probabilities) != len(request.rows):
                        asked, found = len(request.rows), len(scored.probabilities)
                        raise UnusableAnswer(f"predictions: expected {asked}, found {found}")
                except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
                    reason = f"could not be reached ({type(error).__name__})"
                except TimeoutError as error:
                    # Asking again would only add to what the other side can't keep up with.
                    raise Unreachable(f"did not answer within {timeout:.3g} s") from error
                except Passing as error:
                    reason = str(error)
                else:
                    figures.answered(time.perf_counter() - began)
                    self._close_breaker(clock())
                    return scored
            raise Unreachable(reason)
        except Unreachable as error:
            figures.failed_with(str(error))
            self.breaker.still_unreachable(asked_at, clock())
            raise
        except UnusableAnswer as error:
            figures.failed_with(str(error))
            self._close_breaker(clock())
            raise

    def count_failure(self, began: float, error: Unreachable) -> None:
        """A client who was sent here first got no answer: enough of them in a row open the breaker."""
        if self.breaker.failed(began, asyncio.get_running_loop().time()):
            message = (
                f"{FAILURES_TO_OPEN} requests in a row in vain, the last because {self.who} {error}; "
                f"the other route is asked, every {COOL_DOWN:g} s this one is probed"
            )
            self._log.warning("model_route_breaker", route=self.name, state=self.breaker.state, message=message)

    def _close_breaker(self, now: float) -> None:
        if self.breaker.answered(now):
            message = f"{self.who} answers and is asked again"
            self._log.info("model_route_breaker", route=self.name, state=self.breaker.state, message=message)

    async def _ask(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None, timeout: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of the answer.

        Raises TimeoutError, aiohttp.ClientConnectionError or ClientPayloadError when there is none, UnusableAnswer.
        """
        try:
            async with (
                asyncio.timeout(timeout),
                self._session.request(method, url, headers=headers, data=body, allow_redirects=False) as answer,
            ):
                content = b""
                async for part in answer.content.iter_any():
                    content += part
                    if len(content) > _LARGEST_ANSWER:
                        raise UnusableAnswer(f"the answer is larger than {_LARGEST_ANSWER} bytes")
                return answer.status, answer.headers, content
        except aiohttp.ClientResponseError as error:
            raise UnusableAnswer(f"not an HTTP/1.1 answer: {error.message}") from error

    async def close(self) -> None:
        """Closes the connections."""
        await self._session.close()
