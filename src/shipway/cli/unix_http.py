"""One HTTP exchange over a Unix socket. Apart from `client`, because `http.client` takes a while to import."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path


class Broken(Exception):
    """The connection was made, and ended before the whole answer was there."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def exchange(
    path: Path, method: str, target: str, body: bytes | None, *, timeout: float, most: int
) -> tuple[int, bytes]:
    """Status and the first `most` bytes of the answer; `timeout` seconds bound each wait.

    Raises OSError when nobody can be reached, TimeoutError when nothing came in time, Broken when too little came.
    """
    connection = _UnixConnection(path, timeout)
    try:
        connection.connect()
        try:
            connection.request(method, target, body, {"content-type": "application/json"} if body else {})
            response = connection.getresponse()
            return response.status, response.read(most)
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException) as error:
            raise Broken(str(error)) from error
    finally:
        connection.close()
