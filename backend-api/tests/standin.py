"""A model service to test against: real HTTP on a free port, and it does as told: late, away, or lying."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

PREDICTION = {"model_version": "v1.0", "predictions": [0.31]}


@dataclass(frozen=True)
class Reply:
    """One answer. `raw` replaces the whole HTTP answer; `hang_up` closes without one.

    `gate`, and then `delay` seconds, are waited for first.
    """

    status: int = 200
    body: object = field(default_factory=lambda: PREDICTION)
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    hang_up: bool = False
    close_after: bool = False
    gate: threading.Event | None = None
    delay: float = 0.0

    def render(self) -> bytes:
        """The bytes that go out."""
        if self.raw is not None:
            return self.raw
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        fields = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        return f"HTTP/1.1 {self.status} Told\r\n{fields}content-length: {len(body)}\r\n\r\n".encode() + body


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def instances(self) -> list[dict[str, Any]]:
        """The rows that were asked about."""
        return [dict(row) for row in json.loads(self.body)["instances"]]

    @property
    def instance(self) -> dict[str, Any]:
        """The one row that was asked about."""
        (row,) = self.instances
        return row


class StandIn:
    """Answers `replies` in order, then `default`; keeps what it was asked. A context manager."""

    def __init__(self) -> None:
        self.replies: deque[Reply] = deque()
        self.default = Reply()
        self.asked: list[Asked] = []
        self.connections = 0
        self.port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="standin")

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> StandIn:
        self._thread.start()
        self._call(self._start()).result(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._stop()).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def reset(self) -> None:
        """As if it had just been started."""
        self.drop_connections()
        self.replies.clear()
        self.default = Reply()
        self.asked.clear()
        self.connections = 0

    def drop_connections(self) -> None:
        """Closes every open connection, as a restarted service does."""
        self._call(self._drop()).result(5)

    def say(self, data: bytes) -> None:
        """Sends this on every open connection, though nobody asked."""
        self._call(self._say(data)).result(5)

    def _call(self, work: Coroutine[Any, Any, None]) -> Future[None]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        self._server.close()
        await self._drop()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _drop(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _say(self, data: bytes) -> None:
        for writer in self._writers:
            writer.write(data)
            await writer.drain()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while await self._answer_one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the other side left
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if path == "/ready":
            writer.write(Reply(body={"status": "ready", "model_version": "v1.0"}).render())
            return True
        self.asked.append(Asked(method, path, headers, body))
        reply = self.replies.popleft() if self.replies else self.default
        if reply.gate is not None:
            await asyncio.to_thread(reply.gate.wait, 10)
        await asyncio.sleep(reply.delay)
        if reply.hang_up:
            return False
        writer.write(reply.render())
        await writer.drain()
        return not reply.close_after
