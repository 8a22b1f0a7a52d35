"""A small HTTP/1.1 client for one service: keep-alive connections on this event loop, nothing else.

General clients were measured first, CPU of the whole request at 8 connections: pyreqwest 387 µs (every call wakes a
second thread), this pool 238 µs; alone, aiohttp costs five times and httpx forty times what this does.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from typing import cast
from urllib.parse import urlsplit

import httptools

_ANSWER_LIMIT = 256 * 1024
Answer = tuple[int, bytes, bytes]
"""Status, body, and the value of the header that the pool was told to note (empty when there is none)."""


class BadAnswer(Exception):
    """The other side does not speak HTTP as agreed, or says too much."""


class _Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self.idle_since = 0.0
        self.reusable = False
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._body: list[bytes] = []
        self._noted = b""
        self._received = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports behave like asyncio's but do not inherit from them.
        self._transport = cast(asyncio.Transport, transport)

    def ask(self, request: bytes) -> asyncio.Future[Answer]:
        """Sends the request; the future is its answer."""
        assert self._transport is not None
        self.reusable = False
        self._parser = httptools.HttpResponseParser(self)
        self._body = []
        self._noted = b""
        self._received = 0
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def close(self) -> None:
        """At once; whatever is under way fails."""
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._parser is None or self._answer is None or self._answer.done():
            self.close()  # nobody asked: what follows could be taken for the next answer
            return
        self._received += len(data)
        if self._received > _ANSWER_LIMIT:
            self._fail(BadAnswer(f"the answer is larger than {_ANSWER_LIMIT} bytes"))
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(BadAnswer(f"not an HTTP/1.1 answer: {error}"))

    def on_message_begin(self) -> None:
        """Called by the parser."""
        if self._answer is not None and self._answer.done():
            self.reusable = False  # more than was asked for: its rest could be taken for the next answer

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        assert self._parser is not None
        status = self._parser.get_status_code()
        if status < 200 or self._answer is None or self._answer.done():
            return  # an interim answer; the real one follows
        self.reusable = self._parser.should_keep_alive()
        self._answer.set_result((status, b"".join(self._body), self._noted))

    def connection_lost(self, exc: Exception | None) -> None:
        self.reusable = False
        self._fail(ConnectionResetError("the connection was closed before the answer was complete"))

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        self.close()


def _noting(header: str) -> Callable[[], _Connection]:
    """Makes connections that note a header of each answer. The parser calls back for headers only where it is asked."""
    wanted = header.lower().encode()

    class Noting(_Connection):
        def on_header(self, name: bytes, value: bytes) -> None:
            """Called by the parser."""
            if name.lower() == wanted:
                self._noted = value

    return Noting


class HttpPool:
    """Keep-alive connections to the service at `url` (http or https). Use from one event loop; `close` at the end."""

    def __init__(
        self, url: str, *, connect_timeout: float, idle_timeout: float, connections: int, note: str | None = None
    ) -> None:
        parts = urlsplit(url)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._tls else 80)
        self._prefix = parts.path.rstrip("/")
        self.host = parts.netloc.rpartition("@")[2]
        self._head = f" HTTP/1.1\r\nhost: {self.host}\r\n"
        self._new_connection = _Connection if note is None else _noting(note)
        self._connect_timeout = connect_timeout
        self._idle_timeout = idle_timeout
        self._free = asyncio.Semaphore(connections)
        self._idle: deque[_Connection] = deque()

    async def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes, timeout: float) -> Answer:
        """The answer; ConnectionError or OSError when unreachable, TimeoutError, BadAnswer.

        Only for requests that may be sent twice: one that meets a connection which the other side had just closed
        goes out again on a new one.
        """
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"{method} {self._prefix}{path}{self._head}{fields}content-length: {len(body)}\r\n\r\n"
        request = head.encode("latin-1") + body
        async with asyncio.timeout(timeout), self._free:
            connection = self._reuse()
            if connection is not None:
                try:
                    return await self._exchange(connection, request)
                except ConnectionError:
                    self.close()  # those opened with it are likely as dead
            return await self._exchange(await self._connect(), request)

    async def _exchange(self, connection: _Connection, request: bytes) -> Answer:
        try:
            answer = await connection.ask(request)
        except BaseException:
            connection.close()
            raise
        if connection.reusable:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    def _reuse(self) -> _Connection | None:
        oldest = asyncio.get_running_loop().time() - self._idle_timeout
        while self._idle and self._idle[0].idle_since < oldest:
            self._idle.popleft().close()
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable:
                return connection
        return None

    async def _connect(self) -> _Connection:
        try:
            async with asyncio.timeout(self._connect_timeout):
                loop = asyncio.get_running_loop()
                _, connection = await loop.create_connection(
                    self._new_connection, self._host, self._port, ssl=self._tls
                )
        except TimeoutError as error:
            raise ConnectionError(f"no connection within {self._connect_timeout:g} s") from error
        return connection

    def close(self) -> None:
        """Closes what is idle."""
        while self._idle:
            self._idle.pop().close()
