"""Asking a task whether it can take traffic."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.local.tasks.readiness import Readiness, ask
from tests.free_ports import free_port


@contextmanager
def answering(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port where every connection gets what `talk` sends, after its request was read."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                try:
                    talk(connection)
                except OSError:
                    continue

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", Readiness(True, "GET /ready answered 200")),
        (
            b'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{"a": 1}',
            Readiness(True, "GET /ready answered 200", {"a": 1}),
        ),
        (
            b'HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{"a": 1}\r\n0\r\n\r\n',
            Readiness(False, "GET /ready answered 503", {"a": 1}),
        ),
        (b"HTTP/1.1 200 OK\r\n\r\n[1, 2]", Readiness(True, "GET /ready answered 200")),
    ],
)
def test_an_answer_is_understood(answer, expected):
    """Only 200 is ready; a JSON object is handed on, whatever else the body is is not."""
    with answering(lambda connection: connection.sendall(answer)) as port:
        assert expected == ask(port, "/ready", 30)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200))
def test_nonsense_is_not_ready(noise):
    """Whatever a task sends, an answer about it is made."""
    with answering(lambda connection: connection.sendall(b"HTTP/1.1 500 " + noise)) as port:
        assert not ask(port, "/ready", 30).ready


def test_nobody_there_is_not_ready():
    """The port is named."""
    port = free_port()
    assert Readiness(False, f"nothing listens on port {port}", answered=False) == ask(port, "/ready", 1)


def test_the_wait_is_bounded_altogether():
    """An answer that trickles in for ever does not hold the asker longer than asked for."""
    stop = threading.Event()

    def trickle(connection: socket.socket) -> None:
        while not stop.wait(0.05):
            connection.sendall(b"x")

    with answering(trickle) as port:
        started = time.monotonic()
        answer = ask(port, "/ready", 0.5)
        assert 50 > time.monotonic() - started
        stop.set()
    assert Readiness(False, "GET /ready gave no answer within 0.5 s", answered=False) == answer


def test_an_endless_answer_is_cut():
    """No more than 64 KiB is read."""

    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    with answering(flood) as port:
        assert Readiness(True, "GET /ready answered 200") == ask(port, "/ready", 30)


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        ("404 Not Found", "the app does not answer this path; set `ready:` of the service in shipway.yaml"),
        ("405 Method Not Allowed", "the app does not answer this path; set `ready:`"),
        ("307 Moved\r\nLocation: /ready/", "it leads on to /ready/; set `ready:`"),
        ("401 Unauthorized", "it asks for credentials, which a check has not; set `ready:`"),
    ],
)
def test_an_answer_of_a_wrong_path_says_which_key_to_set(answer, meaning):
    """A path that the app does not have is a mistake in shipway.yaml, not a slow start."""
    with answering(lambda connection: connection.sendall(f"HTTP/1.1 {answer}\r\n\r\n".encode())) as port:
        said = ask(port, "/ready", 30).said
    assert said.startswith(f"GET /ready answered {answer[:3]}: {meaning}")
