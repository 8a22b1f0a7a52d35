"""What a load client asks and what counts as a right answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from shipway.demo.exchange import Answer, Connection, Failed

Allowed = str | tuple[float, float]
"""A value's type (`string`, `number`, `boolean`) or the smallest and the largest number."""

_TYPES: Mapping[str, tuple[type, ...]] = {"string": (str,), "number": (int, float), "boolean": (bool,)}


@dataclass(frozen=True, slots=True)
class Question:
    """One kind of request. Requests take turns through `bodies` (JSON values; none at all is a request without one).

    `expect` says what the JSON answer must hold: key → allowed value. `version_key` is the key whose text names the
    model version that answered, if there is one.
    """

    path: str
    method: str = "GET"
    bodies: tuple[Any, ...] = ()
    status: int = 200
    expect: Mapping[str, Allowed] | None = None
    version_key: str | None = None

    def check(self, answer: Answer) -> Mapping[str, Any]:
        """The answer's JSON object. Raises Failed("status" or "body")."""
        if answer.status != self.status:
            start = answer.body[:200].decode("utf-8", "replace")
            raise Failed(
                "status", f"{self.method} {self.path} answered {answer.status}, expected {self.status}: {start}"
            )
        if not self.expect and not self.version_key:
            return {}
        try:
            body = json.loads(answer.body)
        except ValueError as error:
            raise Failed("body", f"not JSON: {error}") from error
        if not isinstance(body, dict):
            raise Failed("body", f"expected a JSON object, found {type(body).__name__}")
        for key, allowed in (self.expect or {}).items():
            _check_value(key, body.get(key), allowed)
        return body


def _check_value(key: str, value: object, allowed: Allowed) -> None:
    if isinstance(allowed, str):
        right = isinstance(value, _TYPES[allowed]) and (allowed == "boolean" or not isinstance(value, bool))
    else:
        right = isinstance(value, int | float) and not isinstance(value, bool) and allowed[0] <= value <= allowed[1]
    if not right:
        expected = allowed if isinstance(allowed, str) else f"a number from {allowed[0]:g} to {allowed[1]:g}"
        raise Failed("body", f"{key}: expected {expected}, found {value!r:.80}")


@dataclass(frozen=True, slots=True)
class Requests:
    """The bytes of a question's requests to one host."""

    host: str
    port: int
    question: Question

    @classmethod
    def to(cls, url: str, question: Question) -> Requests:
        """Requests to `http://HOST:PORT`. Raises ValueError for any other address."""
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or parts.query or parts.path not in ("", "/"):
            raise ValueError(f"{url}: expected an address such as http://127.0.0.1:8080")
        return cls(parts.hostname, parts.port or 80, question)

    def write(self, number: int, device: str, *, keep: bool) -> bytes:
        """The `number`-th request. Without `keep` it asks the server to close the connection after the answer.

        Two requests in a row share a body, so that a load that alternates between kept and fresh asks each body both ways.
        """
        question = self.question
        bodies = question.bodies
        body = json.dumps(bodies[number // 2 % len(bodies)], separators=(",", ":")).encode() if bodies else b""
        lines = [
            f"{question.method} {question.path} HTTP/1.1",
            f"host: {self.host}:{self.port}",
            f"x-device-id: {device}",
            f"connection: {'keep-alive' if keep else 'close'}",
        ]
        if bodies:
            lines += ["content-type: application/json", f"content-length: {len(body)}"]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


async def ask_once(url: str, question: Question) -> Mapping[str, Any]:
    """One right answer's JSON object. Raises Failed."""
    requests = Requests.to(url, question)
    connection = await Connection.open(requests.host, requests.port)
    try:
        return question.check(await connection.ask(requests.write(0, "once", keep=False)))
    finally:
        connection.close()


def read_question(data: Mapping[str, Any]) -> Question:
    """A question from its JSON form. Raises ValueError that names what is wrong."""
    known = set(Question.__dataclass_fields__)
    if unknown := sorted(set(data) - known):
        raise ValueError(f"unknown key {unknown[0]!r}; allowed: {', '.join(sorted(known))}")
    fields = dict(data)
    fields["bodies"] = tuple(fields.get("bodies") or ())
    expect: dict[str, Allowed] = {}
    for key, allowed in (fields.get("expect") or {}).items():
        if isinstance(allowed, str) and allowed in _TYPES:
            expect[key] = allowed
        elif (
            isinstance(allowed, list | tuple) and len(allowed) == 2 and all(isinstance(n, int | float) for n in allowed)
        ):
            expect[key] = (float(allowed[0]), float(allowed[1]))
        else:
            raise ValueError(f"expect.{key}: found {allowed!r}; allowed: {', '.join(_TYPES)} or [smallest, largest]")
    fields["expect"] = expect
    if not str(fields.get("path", "")).startswith("/"):
        raise ValueError("path: expected a path such as /api/predict")
    return Question(**fields)
