"""The smallest service worth rolling out: standard library, kept connections, finishes what is in flight."""

import asyncio
import os
import random
import signal

NUMBER = 0
"""Changed by each commit, so that each is an artifact of its own."""
DELAY = 0.0
"""Seconds that an answer takes: with some, requests are in flight at every moment of a rollout."""
FAILING = 0.0
"""The share of requests that fail, but for /health: neither readiness nor probes find out."""


class Client(asyncio.Protocol):
    """One connection; requests without a body, one at a time."""

    in_flight = 0
    """Of all connections."""
    stopping = False
    """Then each answer is the last on its connection."""
    idle = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            Client.in_flight += 1
            if DELAY:
                asyncio.get_running_loop().call_later(DELAY, self._answer, head)
            else:
                self._answer(head)

    def _answer(self, head: bytes) -> None:
        failing = FAILING and not head.startswith(b"GET /health ") and random.random() < FAILING
        body = f"hello {NUMBER} from {os.environ.get('SHIPWAY_RELEASE', 'nobody')}".encode()
        status = b"500 Internal Server Error" if failing else b"200 OK"
        last = Client.stopping or b"connection: close" in head.lower()
        headers = b"content-length: %d\r\nconnection: %s" % (len(body), b"close" if last else b"keep-alive")
        self._transport.write(b"HTTP/1.1 %s\r\n%s\r\n\r\n%s" % (status, headers, body))
        if last:
            self._transport.close()
        Client.in_flight -= 1
        if not Client.in_flight:
            Client.idle.set()


async def main() -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(Client, "127.0.0.1", int(os.environ["PORT"]), backlog=1024)
    await stop.wait()
    server.close()
    Client.stopping = True
    while Client.in_flight:
        Client.idle.clear()
        await Client.idle.wait()


asyncio.run(main())
