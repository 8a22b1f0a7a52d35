"""The app's own requests: what counts as an answer, and what a task that hangs costs."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from shipway.core.description.app import Probe, Service
from shipway.local.tasks.probes import ask_all

PATIENCE = 2.0


def service(*paths: str) -> Service:
    return Service(path="a", command="run", probes=tuple(Probe(path=path) for path in paths))


@pytest.fixture
def port() -> Iterator[int]:
    """A task: `/good` answers, `/hang` says nothing, `/trickle` sends its answer byte by byte without an end."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            path = connection.recv(1000).split(b" ")[1]
            if path == b"/good":
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            elif path == b"/trickle":
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
                while True:
                    connection.sendall(b".")
                    threading.Event().wait(0.02)
            else:
                connection.recv(1)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield int(listener.getsockname()[1])
    listener.close()


def test_probes_that_hang_have_failed_once_the_patience_is_over(port: int) -> None:
    """However many there are, and also where an answer begins and does not end; the others count as they were."""
    began = time.monotonic()
    answers = ask_all([(port, "web", service("/good", "/hang", "/trickle"))] * 20, PATIENCE)
    took = time.monotonic() - began
    late = {f"web GET {path} no answer within 2 s" for path in ("/hang", "/trickle")}
    assert [{""}, late] == [{answers[n].failure for n in range(0, 60, 3)}, {a.failure for a in answers} - {""}]
    # one after the other they would take forty times as long
    assert took < 20 * PATIENCE


def test_the_threads_of_probes_that_hang_end(port: int) -> None:
    """A task that hangs for hours does not use up the threads."""
    for _ in range(3):
        ask_all([(port, "web", service("/hang", "/trickle"))] * 64, 0.1)
    assert "" == ask_all([(port, "web", service("/good"))], 30)[0].failure
