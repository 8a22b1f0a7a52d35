"""One HTTP exchange over a Unix socket. Apart from `over_socket`, because `http.client` takes a while to import."""

from __future__ import annotations

import http.client
import select
import socket
import time


class Broken(Exception):
    """The connection was made, and ended before the whole answer was there."""


class Unresponsive(Exception):
    """Somebody listens, and answers nothing at all: stopped, or far too busy."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def exchange(
    path: str, method: str, target: str, body: bytes | None, *, timeout: float, most: int, patience: float
) -> tuple[int, bytes]:
    """Status and the first `most` bytes of the answer; `timeout` seconds bound each wait.

    After `patience` seconds of silence a second call asks whether anybody is there: long work is waited for, a
    process that has stopped is not. Raises OSError when nobody can be reached, Unresponsive when nobody moves,
    TimeoutError when nothing came in time, Broken when too little came.
    """
    connection = _UnixConnection(path, timeout)
    try:
        connection.connect()
        try:
            connection.request(method, target, body, {"content-type": "application/json"} if body else {})
            _await_answer(connection.sock, path, timeout, patience)
            response = connection.getresponse()
            return response.status, response.read(most)
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException) as error:
            raise Broken(str(error)) from error
    finally:
        connection.close()


def _await_answer(waiting: socket.socket, path: str, timeout: float, patience: float) -> None:
    deadline = time.monotonic() + timeout
    while not _is_readable(waiting, min(patience, max(0.0, deadline - time.monotonic()))):
        if time.monotonic() >= deadline:
            raise TimeoutError
        if not _is_there(path, patience):
            raise Unresponsive


def _is_there(path: str, patience: float) -> bool:
    """Whether a fresh connection gets any answer."""
    connection = _UnixConnection(path, patience)
    try:
        connection.request("GET", "/v1/alive")
        return _is_readable(connection.sock, patience)
    except OSError:
        return False
    finally:
        connection.close()


def _is_readable(waiting: socket.socket, timeout: float) -> bool:
    return bool(select.select([waiting], [], [], timeout)[0])
