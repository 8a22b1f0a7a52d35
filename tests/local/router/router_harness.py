"""Real tasks and clients for the router's tests: small HTTP/1.1 servers, one client that loads and one that asks."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from shipway.local.router import EnvironmentTopology, ServiceRoutes, Topology
from tests.waiting import PATIENCE, wait_for

T = TypeVar("T")
DEADLINE = 30.0


def topology(port: int, *, https_port: int | None = None, slots: int = 2, extra: str | None = None) -> Topology:
    """An environment `prod` with the backend and the model service; `extra` is a further public path."""
    services = (
        ServiceRoutes("backend-api", ("/api/*", *((extra,) if extra else ())), "/ready", internal=False),
        ServiceRoutes("ml-model-service", ("/ml/*",), "/ready", internal=True),
    )
    return Topology((EnvironmentTopology("prod", port, https_port, services, slots),))


class Loop:
    """An event loop in a thread, for servers and clients of one test session."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run in the background."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run and wait."""
        return self.start(work).result(timeout=PATIENCE)

    def close(self) -> None:
        """Stop the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=PATIENCE)
        self._loop.close()


@dataclass
class Task:
    """A running copy of a service that answers its name and what it was asked, as JSON.

    `status`: of every answer but readiness. `held`: answers wait until it is released. `cut`: closes the connection
    instead of answering. `once`: closes every connection after an answer, without saying so.
    """

    name: str
    loop: Loop
    port: int = 0
    status: int = 200
    ready: int = 200
    cut: bool = False
    once: bool = False
    truncate: bool = False
    requests: int = 0
    held: threading.Event | None = None
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def start(self) -> Task:
        """Listen, on the same port as before when it ran before."""
        self._server = self.loop.run(self._listen())
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    def kill(self) -> None:
        """Go away as a killed process does: connections are cut, the port refuses."""
        self.loop.run(self._close())

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=512)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
        await reader.readexactly(int(headers.get("content-length", "0")))
        method, path, _ = first.split(" ")
        if path == "/ready":
            writer.write(f"HTTP/1.1 {self.ready} Any\r\ncontent-length: 0\r\n\r\n".encode())
            return True
        self.requests += 1
        if self.held is not None:
            held = self.held
            while not held.is_set():
                await asyncio.sleep(0.005)
        if self.cut:
            return False
        body = json.dumps({"task": self.name, "method": method, "path": path, "headers": headers})
        length = len(body) + (10 if self.truncate else 0)
        writer.write(
            f"HTTP/1.1 {self.status} Any\r\ncontent-type: application/json\r\nx-shipway-release: forged\r\n"
            f"content-length: {length}\r\n\r\n{body}".encode()
        )
        await writer.drain()
        return not (self.once or self.truncate)


@dataclass
class Answer:
    """What a client saw."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.text)


def ask(
    port: int, path: str = "/api/x", *, method: str = "GET", headers: Mapping[str, str] | None = None, body: str = ""
) -> Answer:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    try:
        return ask_on(connection, path, method=method, headers=headers, body=body)
    finally:
        connection.close()


def ask_on(
    connection: http.client.HTTPConnection,
    path: str = "/api/x",
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: str = "",
) -> Answer:
    """One request on a connection that stays open."""
    connection.request(method, path, body=body or None, headers=dict(headers or {}))
    response = connection.getresponse()
    text = response.read().decode()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, text)


class Load:
    """Clients that send POST requests over connections of their own until they are told to stop."""

    def __init__(self, loop: Loop, port: int, *, clients: int = 8, keep_alive: bool = True) -> None:
        self.answers = 0
        self.failures: list[str] = []
        self.sides: dict[str, int] = {}
        self._stop = False
        self._port = port
        self._keep_alive = keep_alive
        self._loop = loop
        self._work = [loop.start(self._client(number)) for number in range(clients)]

    def wait_for(self, more: int) -> None:
        """Until so many more answers have come."""
        wanted = self.answers + more
        wait_for(lambda: self.answers + len(self.failures) >= wanted, f"{more} more answers")

    def stop(self) -> None:
        """Finish the requests in flight."""
        self._stop = True
        for work in self._work:
            work.result(timeout=PATIENCE)

    async def _client(self, number: int) -> None:
        request = (
            f"POST /api/predict HTTP/1.1\r\nhost: localhost\r\nx-device-id: d{number}\r\n"
            f"connection: {'keep-alive' if self._keep_alive else 'close'}\r\ncontent-length: 2\r\n\r\n{{}}"
        ).encode()
        reader, writer = None, None
        while not self._stop:
            try:
                if reader is None or writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.write(request)
                head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), DEADLINE)).decode("latin-1")
                headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                await reader.readexactly(int(headers["content-length"]))
                if not head.startswith("HTTP/1.1 200"):
                    self.failures.append(head.split("\r\n")[0])
                side = headers.get("x-shipway-side", "none")
                self.sides[side] = self.sides.get(side, 0) + 1
                self.answers += 1
                if headers.get("connection") == "close":
                    writer.close()
                    reader = writer = None
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
                self.failures.append(repr(error))
                reader = writer = None
        if writer is not None:
            writer.close()
