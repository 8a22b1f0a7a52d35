"""One request to the API: who calls, and its parts, checked as they are asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from starlette.requests import Request

from shipway.core.errors import UsageError

MAX_BODY = 64 * 1024
_UNWRITABLE = re.compile("[\\x00\\ud800-\\udfff]")
Answer = dict[str, Any]


class Call:
    """A request; what it lacks or gets wrong is a UsageError that names it."""

    def __init__(self, request: Request, body: Answer) -> None:
        self.who = request.client.host if request.client else "unknown"
        self._request = request
        self._body = body

    def path(self, name: str) -> str:
        """A part of the path."""
        return str(self._request.path_params[name])

    def text(self, name: str) -> str | None:
        """An optional string of the body; an empty one is not the same as none. Raises UsageError for anything else."""
        value = self._body.get(name)
        if value is not None and not isinstance(value, str):
            raise UsageError(f"{name}: expected text, found {value!r}")
        if value is not None and _UNWRITABLE.search(value):
            raise UsageError(f"{name}: NUL and half characters (lone surrogates) can't be stored or named")
        return value

    def texts(self, name: str) -> list[str]:
        """A list of strings of the body; empty when absent."""
        value = self._body.get(name) or []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise UsageError(f"{name}: expected a list of text, found {value!r}")
        return value

    def flag(self, name: str) -> bool:
        """A boolean of the body; false when absent."""
        return self._body.get(name) is True

    def amount(self, name: str, default: float) -> float:
        """A number of the body. Raises UsageError when it is something else."""
        value = self._body.get(name, default)
        if type(value) not in (int, float):
            raise UsageError(f"{name}: expected a number, found {value!r}")
        return float(value)

    def query(self, name: str) -> str | None:
        """An optional query parameter."""
        return self._request.query_params.get(name) or None

    def number(self, name: str, default: float, most: float) -> float:
        """A query parameter from 0 to `most`. Raises UsageError when it is something else."""
        text = self.query(name)
        try:
            value = default if text is None else float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value <= most:
            raise UsageError(f"{name}: expected a number from 0 to {most:g}, found {text!r}")
        return value


Verb = Callable[[Call], Answer]
Verbs = dict[tuple[str, str], Verb]
"""(method, path) → what answers it."""


async def read_call(request: Request) -> Call:
    """The call with its JSON body. Raises UsageError for a body that is too large or no JSON object."""
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY:
            raise UsageError(f"the body is larger than {MAX_BODY:,} bytes")
    if not raw:
        return Call(request, {})
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise UsageError("the body is not a JSON object")
    return Call(request, body)
