"""What counts as a service's latency: from the whole request to the head of its answer, nothing else."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

import pytest
from router_harness import DEADLINE, ask

from shipway.local.router import Router
from tests.waiting import wait_for

UPGRADE = (
    "connection: upgrade\nupgrade: websocket\nsec-websocket-version: 13\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="
)
LASTS = 0.4


class Streamer:
    """A task whose answers' bodies last until they are released; `/hang` has no answer at all, `/upgrade` a 101."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self.release.set()
        self._socket.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._socket.accept()[0],), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reader, suppress(OSError):
            path = reader.readline().split(b" ")[1]
            headers = dict(line.lower().rstrip().split(b": ", 1) for line in iter(reader.readline, b"\r\n"))
            reader.read(int(headers.get(b"content-length", b"0")))
            if path == b"/ready":
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                return
            if path == b"/api/upgrade":
                connection.sendall(
                    b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
                    b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
                )
            elif path == b"/api/hang":
                self.release.wait(DEADLINE)
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n")
            else:
                kind = b"content-type: text/event-stream\r\n" if path == b"/api/events" else b""
                connection.sendall(b"HTTP/1.1 200 OK\r\n" + kind + b"content-length: 1\r\n\r\n")
            self.release.wait(DEADLINE)
            connection.sendall(b"x")


@pytest.fixture
def streamer(router: Router) -> Iterator[Streamer]:
    """One such task on blue, which has all of the traffic."""
    streamer = Streamer()
    router.set_tasks("prod", "blue", "backend-api", {"streamer": streamer.port})
    yield streamer
    streamer.close()


def latencies(router: Router) -> tuple[float, ...]:
    return router.traffic("prod")["blue"].latencies


def open_request(port: int, head: str, body: bytes = b"") -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
    client.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
    return client


def no_longer_than_seen(latencies: Sequence[float], seen: Sequence[float]) -> bool:
    """Whether each is what the client saw until the head, to far less than what must not count, however slow that was."""
    return all(latency < until_head + LASTS / 2 for latency, until_head in zip(latencies, seen, strict=True))


@pytest.mark.parametrize("path", ["/api/events", "/api/download"])
def test_a_latency_ends_with_the_head_of_the_answer(router: Router, streamer: Streamer, port: int, path: str) -> None:
    """How long a stream of events or a download lasts is no latency, also where the client leaves it."""
    heads = []
    for leaves in (False, True):
        began = time.monotonic()
        with open_request(port, f"GET {path} HTTP/1.1\nhost: a\nconnection: close") as client:
            client.recv(1000)
            heads.append(time.monotonic() - began)
            threading.Event().wait(LASTS)
            if not leaves:
                streamer.release.set()
                client.recv(1000)
        streamer.release.set()
        wait_for(lambda expected=leaves + 1: len(latencies(router)) == expected, "its latency")
        streamer.release.clear()
    assert no_longer_than_seen(latencies(router), heads)


def test_a_websocket_has_no_latency(router: Router, streamer: Streamer, port: int) -> None:
    """A 101 and what follows it say nothing of how quick the service is; the request counts."""
    with open_request(port, f"GET /api/upgrade HTTP/1.1\nhost: a\n{UPGRADE}") as client:
        assert client.recv(1000).startswith(b"HTTP/1.1 101 ")
    streamer.release.set()
    ask(port, "/api/last")
    wait_for(lambda: len(latencies(router)) == 1, "the last one's latency alone")
    assert 2 == router.traffic("prod")["blue"].requests


def test_a_slow_upload_is_not_the_service_s_latency(router: Router, streamer: Streamer, port: int) -> None:
    """The time begins once a small body is here; a chunked one, whose end nobody can tell, is left out."""
    streamer.release.set()
    with open_request(port, "POST /api/x HTTP/1.1\nhost: a\ncontent-length: 4\nconnection: close", b"ab") as client:
        threading.Event().wait(LASTS)
        began = time.monotonic()
        client.sendall(b"cd")
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
        head = time.monotonic() - began
    chunked = "POST /api/x HTTP/1.1\nhost: a\ntransfer-encoding: chunked\nconnection: close"
    with open_request(port, chunked) as client:
        threading.Event().wait(LASTS)
        client.sendall(b"1\r\na\r\n0\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
    began = time.monotonic()
    ask(port, "/api/last")
    last = time.monotonic() - began
    wait_for(lambda: len(latencies(router)) == 2, "two latencies")
    assert no_longer_than_seen(latencies(router), [head, last])


def test_a_request_is_timed_to_its_answer_though_the_client_gave_up(
    router: Router, streamer: Streamer, port: int
) -> None:
    """Clients of little patience do not hide how slow the service is."""
    open_request(port, "GET /api/hang HTTP/1.1\nhost: a").close()
    threading.Event().wait(LASTS)
    assert () == latencies(router)
    streamer.release.set()
    wait_for(lambda: len(latencies(router)) == 1, "its latency")
    assert 0.9 * LASTS <= latencies(router)[0] < DEADLINE


def test_requests_without_an_answer_are_told_while_they_wait(router: Router, streamer: Streamer, port: int) -> None:
    """Neither a stream whose head came, nor an upload that is still under way, is among them."""
    upload = "POST /api/hang HTTP/1.1\nhost: a\ncontent-length: 100000"
    with (
        open_request(port, "GET /api/hang HTTP/1.1\nhost: a"),
        open_request(port, "POST /api/hang HTTP/1.1\nhost: a\ncontent-length: 2", b"{}"),
        open_request(port, upload, b"x" * 50_000),
        open_request(port, "GET /api/events HTTP/1.1\nhost: a"),
    ):
        wait_for(lambda: len(router.traffic("prod")["blue"].waiting) == 2, "both are waiting")
        traffic = router.traffic("prod")
        assert all(1 <= seconds < 2 * DEADLINE for seconds in traffic["blue"].waiting)
        assert () == traffic["green"].waiting
        streamer.release.set()
    wait_for(lambda: not router.traffic("prod")["blue"].waiting, "nobody waits any more")
