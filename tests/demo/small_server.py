"""A small HTTP server for the load client's tests: every path misbehaves in its own way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

RIGHT = {"probability": 0.25, "late": False, "model_version": "v1.0"}


@dataclass
class SmallServer:
    """What it was asked, and what it answers as. `release_for` chooses the release by device."""

    url: str = ""
    port: int = 0
    connections: int = 0
    devices: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    release_for: Callable[[str], str] = lambda device: "r1"
    version: str = "v1.0"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side closes it."""
        self.connections += 1
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        path = head[0].split(" ")[1]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
        self.bodies.append(await reader.readexactly(int(headers.get("content-length", 0))))
        device = headers["x-device-id"]
        self.devices.append(device)
        release = self.release_for(device)
        body = json.dumps(RIGHT | {"model_version": self.version}).encode()
        named = f"x-shipway-release: {release}\r\nx-shipway-side: blue\r\n"
        whole = f"HTTP/1.1 200 OK\r\n{named}content-length: {len(body)}\r\n\r\n".encode() + body
        match path:
            case "/status":
                writer.write(whole.replace(b"200 OK", b"500 Oops"))
            case "/reset":
                return False
            case "/cut":
                writer.write(whole[:-3])
                return False
            case "/garbage":
                writer.write(b"SMTP ready\r\n\r\n")
            case "/wrong":
                writer.write(whole.replace(b"0.25", b"1.25"))
            case "/slow":
                await asyncio.sleep(30)
            case "/chunked":
                chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:]))
                head_bytes = f"HTTP/1.1 200 OK\r\n{named}transfer-encoding: chunked\r\n\r\n".encode()
                writer.write(head_bytes + chunks + b"0\r\n\r\n")
            case "/announced-close":
                writer.write(whole.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1))
                return False
            case "/idle-close":
                writer.write(whole)
                await writer.drain()
                return False
            case _:
                writer.write(whole)
        await writer.drain()
        return headers["connection"] != "close"


@asynccontextmanager
async def small_server() -> AsyncIterator[SmallServer]:
    """A server on a free port."""
    server = SmallServer()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    server.url = f"http://127.0.0.1:{server.port}"
    try:
        yield server
    finally:
        listener.close()
