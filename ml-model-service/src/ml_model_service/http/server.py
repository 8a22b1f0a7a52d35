"""HTTP/1.1 over asyncio, as little of it as a model service needs.

llhttp (by httptools) parses, uvloop moves bytes; in between a request costs 13 µs where an ASGI server takes 40 to
100 (benchmarks/serving). What answers at once is answered inside the parser's callback: no task, no queue.
One long file, as a connection is one state machine, and each of its states has to be seen beside the others.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from email.utils import formatdate
from functools import partial
from http import HTTPStatus
from typing import cast

import httptools

from ml_model_service.http.messages import Answer, Handler, Later, Refuse, Request

log = logging.getLogger(__name__)
MAX_HEAD = 64 * 1024
# Longer than the 60 s for which load balancers and clients keep an idle connection: closed here first, a request of
# theirs that is on its way would end in a reset.
KEEP_ALIVE = 75.0
LINGER = 2.0
# when stopping: a client that asked less than this ago hears of it in the answer to its next request
LAST_CALL = 0.5


class Server:
    """Serves a handler on one port until it is told to stop."""

    def __init__(self, handler: Handler, refuse: Refuse, *, max_body: int, body_timeout: float) -> None:
        self.handler = handler
        self.refuse = refuse
        self.max_body = max_body
        self.body_timeout = body_timeout
        self.connections: set[Connection] = set()
        self.stopping = False
        self._date = (0.0, b"")

    async def serve(self, host: str, port: int, stop: asyncio.Event, drain_timeout: float) -> None:
        """Answer until `stop`; then finish what is in flight, at most `drain_timeout` seconds. Raises OSError."""
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(lambda: Connection(self), host, port, backlog=2048)
        log.info("listening on http://%s:%d", host, listening.sockets[0].getsockname()[1])
        sweeping = asyncio.create_task(self._sweep())
        try:
            await stop.wait()
            self.stopping = True
            listening.close()
            log.info("stopping: %d connections are open", len(self.connections))
            deadline = loop.time() + drain_timeout
            while self.connections and loop.time() < deadline:
                for connection in list(self.connections):
                    connection.finish()
                await asyncio.sleep(0.01)
            if self.connections:
                log.warning("%d connections cut after %g s of draining", len(self.connections), drain_timeout)
        finally:
            sweeping.cancel()
            for connection in list(self.connections):
                connection.abort()

    def date(self) -> bytes:
        """The Date header's value, made once a second."""
        now = time.time()
        if now - self._date[0] >= 1:
            self._date = (now, formatdate(now, usegmt=True).encode())
        return self._date[1]

    async def _sweep(self) -> None:
        """End connections that were silent for too long: one look a second is cheaper than a timer for each."""
        while True:
            await asyncio.sleep(1)
            now = time.monotonic()
            for connection in list(self.connections):
                if connection.deadline < now:
                    connection.expire()


class Connection(asyncio.Protocol):
    """One client. Requests are answered in their order, one at a time."""

    __slots__ = (
        "_begun", "_behind", "_body", "_busy", "_eof", "_headers", "_ignoring", "_in_body", "_overhead", "_parser",
        "_queue", "_server", "_target", "_transport", "deadline",
    )  # fmt: skip

    def __init__(self, server: Server) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._queue: deque[tuple[Request, bool]] = deque()
        self._begun = self._in_body = self._busy = self._behind = self._ignoring = self._eof = False
        # bytes since the last piece of a body: of a head, of trailers, of extensions of chunks
        self._overhead = 0
        self._target: bytes = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: bytes | bytearray = b""
        self.deadline = time.monotonic() + KEEP_ALIVE

    # -- what the transport tells ----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came."""
        self._transport = cast(asyncio.Transport, transport)
        self._server.connections.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        """It left, or was closed."""
        self._transport = None
        self._queue.clear()
        self._server.connections.discard(self)

    def eof_received(self) -> bool:
        """A client that says no more still gets the answer that is on its way."""
        self._eof = True
        return self._busy

    def data_received(self, data: bytes) -> None:
        """Bytes arrived: parse them, and answer whatever is complete."""
        if self._ignoring:
            return
        if self._overhead > MAX_HEAD:
            self._head_too_large()
            return
        self._overhead += len(data)
        try:
            self._parse(data)
        except httptools.HttpParserError as error:
            if not self._ignoring:
                self._turn_down(400, "invalid_http", f"this is not HTTP/1.1: {error}")

    def pause_writing(self) -> None:
        """The client reads too slowly: take no more from it."""
        self._behind = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It caught up."""
        self._behind = False
        self._read_on()

    def _read_on(self) -> None:
        if self._transport is not None and not self._busy and not self._behind:
            self._transport.resume_reading()

    def _parse(self, data: bytes) -> None:
        """Read requests that offer another protocol as if they did not (RFC 9110, 7.8): Java's client always does."""
        rest: bytes | memoryview = data
        while not self._ignoring:
            try:
                self._parser.feed_data(rest)
                return
            except httptools.HttpParserUpgrade as upgrade:
                if self._ignoring:
                    return
                # not a copy: there may be many such requests
                rest = memoryview(rest)[upgrade.args[0] :]
            self._parse_head_without_upgrade()

    def _parse_head_without_upgrade(self) -> None:
        method, version = self._parser.get_method(), self._parser.get_http_version().encode()
        if method == b"CONNECT":
            self._turn_down(400, "invalid_http", "this service is no proxy")
            return
        head = b"".join(b"%b: %b\r\n" % header for header in self._headers.items() if header[0] != b"upgrade")
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(b"%b %b HTTP/%b\r\n%b\r\n" % (method, self._target, version, head))

    # -- what the parser tells -------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request starts."""
        self._begun = True
        self._target, self._headers, self._body = b"", {}, b""
        if not self._busy:
            self.deadline = time.monotonic() + self._server.body_timeout

    def on_url(self, part: bytes) -> None:
        """The request's target, maybe in parts."""
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header. Those after a body are nobody's: they must not speak over those before it."""
        if not self._in_body:
            self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """The body may come, if it is not too large."""
        received, self._in_body, self._overhead = self._overhead, True, 0
        if received > MAX_HEAD and self._head_size() > MAX_HEAD:
            self._head_too_large()
            return
        length = self._headers.get(b"content-length", b"")
        if length and int(length) > self._server.max_body:
            self._too_large()
        elif self._headers.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
            self._turn_down(501, "unknown_coding", "Transfer-Encoding: only chunked is known")
        elif b"expect" in self._headers and not self._busy and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, part: bytes) -> None:
        """Some of the body."""
        self._overhead = 0
        if self._ignoring:
            return
        if len(self._body) + len(part) > self._server.max_body:
            self._too_large()
        elif not self._body:
            self._body = part
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += part

    def on_message_complete(self) -> None:
        """A whole request, or the head of one that offers another protocol, as whose body the parser takes nothing."""
        self._begun = self._in_body = False
        self._overhead = 0
        if self._ignoring or self._parser.should_upgrade():
            return
        now = time.monotonic()
        # bytearrays came in parts, and are large: they are read where they lie
        request = Request(
            self._parser.get_method(), self._target, self._headers, self._body, now, len(self._server.connections)
        )
        # a client that speaks 1.0 would wait for its own version's word that the connection stays
        keep = self._parser.should_keep_alive() and self._parser.get_http_version() != "1.0"
        if self._busy:
            self._queue.append((request, keep))
            if self._transport is not None:
                self._transport.pause_reading()
            return
        self.deadline = now + KEEP_ALIVE
        self._answer(request, keep)

    # -- answering -------------------------------------------------------------------------------------------------

    def _answer(self, request: Request, keep: bool) -> None:
        reply = self._server.handler(request)
        if isinstance(reply, Answer):
            self._send(reply, keep and not reply.close, request.method == b"HEAD")
            return
        self._busy = True
        self.deadline = float("inf")
        if isinstance(reply, Later):
            reply.deliver = partial(self._answered, request, keep)
            return
        if self._transport is not None:
            self._transport.pause_reading()
        task = asyncio.ensure_future(reply)
        task.add_done_callback(partial(self._done, request, keep))

    def _done(self, request: Request, keep: bool, task: asyncio.Future[Answer]) -> None:
        if not task.cancelled():
            self._answered(request, keep, task.result())

    def _answered(self, request: Request, keep: bool, answer: Answer) -> None:
        self._busy = False
        self.deadline = time.monotonic() + KEEP_ALIVE
        if self._transport is None:
            return
        self._send(answer, keep and not answer.close and not self._ignoring, request.method == b"HEAD")
        while self._queue and not self._busy and not self._ignoring:
            self._answer(*self._queue.popleft())
        self._read_on()

    def _send(self, answer: Answer, keep: bool, head_only: bool = False) -> None:
        transport = self._transport
        if transport is None:
            return
        # where the client sends no more, or the server stops, the answer to its last request ends the connection
        keep = keep and (bool(self._queue) or not (self._eof or self._server.stopping))
        body = answer.body
        head = b"%bcontent-type: %b\r\ncontent-length: %d\r\ndate: %b\r\n%b%b\r\n" % (
            _STATUS_LINES[answer.status],
            answer.content_type,
            len(body),
            self._server.date(),
            answer.headers,
            b"" if keep else b"connection: close\r\n",
        )
        transport.write(head if head_only else head + body)
        if not keep:
            self._ignoring = True
            transport.close()

    def _turn_down(self, status: int, code: str, message: str) -> None:
        """Answer what cannot be read any further, and let the client read that before the connection is cut."""
        self._ignoring = True
        if self._busy or self._transport is None:
            return
        # where not even a request line was read, the parser has no method
        method = self._parser.get_method() if self._target else b""
        request = Request(method, self._target[:MAX_HEAD], self._headers, b"", time.monotonic())
        answer = self._server.refuse(request, status, code, message)
        body = answer.body
        self._transport.write(
            b"%bcontent-type: %b\r\ncontent-length: %d\r\n%bconnection: close\r\n\r\n%b"
            % (_STATUS_LINES[status], answer.content_type, len(body), answer.headers, body)
        )
        # Closed now, with bytes of the client unread, the answer would be lost in a reset.
        self.deadline = time.monotonic() + LINGER
        self._transport.write_eof()

    def _head_size(self) -> int:
        return len(self._target) + sum(len(name) + len(value) for name, value in self._headers.items())

    def _head_too_large(self) -> None:
        self._turn_down(431, "headers_too_large", f"request line and headers exceed {MAX_HEAD} bytes")

    def _too_large(self) -> None:
        limit = self._server.max_body
        self._turn_down(413, "body_too_large", f"the body is larger than {limit} bytes, the most allowed")

    # -- what the server wants -------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Close if nothing is in flight and the client has been silent for a moment; else after the next answer.

        Closed sooner, a request that is on its way would be lost.
        """
        silent = time.monotonic() - (self.deadline - KEEP_ALIVE)
        if not self._busy and not self._begun and silent > LAST_CALL and self._transport is not None:
            self._transport.close()

    def expire(self) -> None:
        """The client was silent for too long."""
        if self._begun and not self._ignoring:
            timeout = self._server.body_timeout
            self._turn_down(408, "request_timeout", f"the request did not arrive whole within {timeout:g} s")
        elif self._transport is not None and not self._transport.is_closing():
            self._transport.close()
        else:
            # closed already, but it does not take its last answer
            self.abort()

    def abort(self) -> None:
        """Cut it."""
        if self._transport is not None:
            self._transport.abort()


_STATUS_LINES = {int(s): f"HTTP/1.1 {int(s)} {s.phrase}\r\n".encode() for s in HTTPStatus}
