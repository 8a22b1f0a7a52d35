"""Asks a task whether it can take traffic."""

from __future__ import annotations

import http.client
import io
import json
import socket
import time
from dataclasses import dataclass, replace
from typing import Any

from shipway.core.tasks import Runner, TaskHandle, TaskSpec

_MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Readiness:
    """What a task answered: `body` is its JSON object, if it was one; `said` tells the answer in words.

    `answered` is false when it gave no answer at all; `stranger` says that another process answered.
    """

    ready: bool
    said: str
    body: dict[str, Any] | None = None
    answered: bool = True
    stranger: bool = False


def ask(port: int, path: str, timeout: float, most: int = _MAX_BYTES, host: str = "localhost") -> Readiness:
    """GET `path` from 127.0.0.1; within `timeout` seconds altogether, however slowly the answer trickles in.

    A longer answer is cut at `most` bytes, so that it has no `body`.
    """
    asked = f"GET {path}"
    try:
        answer = http.client.HTTPResponse(_Received(_exchange(port, path, timeout, most, host)))  # type: ignore[arg-type]
        answer.begin()
        body = answer.read()
    except TimeoutError:
        return Readiness(False, f"{asked} gave no answer within {timeout:g} s", answered=False)
    except ConnectionRefusedError:
        return Readiness(False, f"nothing listens on port {port}", answered=False)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return Readiness(False, f"{asked} failed: {str(error) or type(error).__name__}", answered=False)
    said = f"{asked} answered {answer.status}{_meaning(answer.status, answer.getheader('location'))}"
    return Readiness(answer.status == 200, said, _object(body))


def ask_task(runner: Runner, spec: TaskSpec, handle: TaskHandle | None, timeout: float) -> Readiness:
    """Whether the task is ready; an answer of another process on its port does not count."""
    answer = ask(spec.port, spec.ready_path, timeout, host=spec.host)
    if not answer.answered and spec.health_path not in ("", spec.ready_path):
        # One slow dependency may hold up readiness; a task that still answers about itself is alive.
        answer = replace(answer, answered=ask(spec.port, spec.health_path, timeout, host=spec.host).answered)
    if answer.ready and handle is not None:
        stranger = runner.stranger(spec, handle)
        if stranger is not None:
            return Readiness(False, f"{stranger} listens on its port {spec.port}", stranger=True)
    return answer


def _meaning(status: int, location: str | None) -> str:
    """What a wrong answer says about the path in shipway.yaml."""
    if status in (404, 405, 410):
        return ": the app does not answer this path; set `ready:` of the service in shipway.yaml to one that it does"
    if status in (301, 302, 303, 307, 308):
        return f": it leads on to {location or 'nowhere'}; set `ready:` to the path that answers 200 itself"
    if status in (401, 403):
        return ": it asks for credentials, which a check has not; set `ready:` to a path that needs none"
    return ""


def _exchange(port: int, path: str, timeout: float, most: int, host: str) -> bytes:
    deadline = time.monotonic() + timeout
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
    received = bytearray()
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.sendall(request.encode())
        while len(received) < most:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            connection.settimeout(left)
            chunk = connection.recv(_MAX_BYTES)
            if not chunk:
                break
            received += chunk
    return bytes(received)


class _Received:
    """The whole answer, shaped as the socket that http.client reads from."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, *_: object, **__: object) -> io.BytesIO:
        return io.BytesIO(self._content)


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        parsed = json.loads(body)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None
