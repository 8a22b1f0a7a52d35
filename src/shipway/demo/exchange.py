"""One HTTP/1.1 request and its answer over a plain TCP connection, with every way to fail told apart.

Small on purpose: it shares the machine with the servers it measures.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

MAX_ANSWER = 16 * 1024 * 1024
_MAX_LINES = 200

FailureKind = Literal["refused", "reset", "timeout", "status", "body", "cohort"]


class Failed(Exception):
    """A request that did not get the answer it should have."""

    def __init__(self, kind: FailureKind, detail: str) -> None:
        super().__init__(detail)
        self.kind: FailureKind = kind
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names are in lower case; of repeated headers the last one counts."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """One connection, for one request at a time.

    A server may close it between two requests: `reusable` sees that, and it is no failure. Once a request was
    written, a close before the whole answer has come is one, because a client cannot know what became of it.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._stays_open = True
        self._poll = select.poll()
        self._poll.register(writer.get_extra_info("socket").fileno(), select.POLLIN)

    @classmethod
    async def open(cls, host: str, port: int) -> Self:
        """Connect. Raises Failed("refused")."""
        try:
            return cls(*await asyncio.open_connection(host, port))
        except OSError as error:
            raise Failed("refused", f"no connection: {error.strerror or error}") from error

    def reusable(self) -> bool:
        """Whether another request may be written: asked of the socket itself, just before writing."""
        # Nothing may arrive on an idle connection but its end, so readable means closed.
        return self._stays_open and not self._reader.at_eof() and not self._poll.poll(0)

    async def ask(self, request: bytes) -> Answer:
        """Write the request and read its answer. Raises Failed("reset" or "body")."""
        began = False
        try:
            self._writer.write(request)
            await self._writer.drain()
            line = await self._reader.readline()
            began = bool(line)
            status = self._status(line)
            headers = await self._headers()
            body = await self._body(status, headers)
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            when = "in the middle of the answer" if began else "before the answer began"
            raise Failed("reset", f"closed {when} ({type(error).__name__})") from error
        except ValueError as error:  # a line longer than the reader's limit, or no number where one belongs
            raise Failed("body", f"not HTTP/1.1: {error}") from error
        return Answer(status, headers, body)

    def close(self) -> None:
        """Close at once; what was not read is lost."""
        self._writer.close()

    def _status(self, line: bytes) -> int:
        if not line.endswith(b"\n"):
            raise ConnectionResetError
        version, _, rest = line.partition(b" ")
        if not version.startswith(b"HTTP/1."):
            raise ValueError(f"the answer begins with {line[:40]!r}")
        self._stays_open = version == b"HTTP/1.1"
        return int(rest[:3])

    async def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for _ in range(_MAX_LINES):
            line = await self._reader.readline()
            if not line.endswith(b"\n"):
                raise ConnectionResetError
            if line in (b"\r\n", b"\n"):
                if headers.get("connection", "").lower() == "close":
                    self._stays_open = False
                return headers
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        raise ValueError(f"more than {_MAX_LINES} headers")

    async def _body(self, status: int, headers: Mapping[str, str]) -> bytes:
        if status in (204, 304):
            return b""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return await self._chunks()
        if "content-length" in headers:
            return await self._reader.readexactly(_bounded(int(headers["content-length"])))
        self._stays_open = False
        return await self._reader.read(MAX_ANSWER)

    async def _chunks(self) -> bytes:
        body = b""
        while True:
            line = await self._reader.readline()
            if not line.endswith(b"\n"):
                raise ConnectionResetError
            size = _bounded(int(line.split(b";")[0], 16) + len(body)) - len(body)
            body += (await self._reader.readexactly(size + 2))[:-2]
            if size == 0:
                return body


def _bounded(size: int) -> int:
    if not 0 <= size <= MAX_ANSWER:
        raise ValueError(f"a body of {size} bytes; at most {MAX_ANSWER} are read")
    return size
