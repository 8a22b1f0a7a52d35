"""Errors as clients see them: one JSON shape for all, with the path of what is wrong and what is allowed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.responses import Response

_SHOWN = 100


class Detail(BaseModel):
    """One thing that is wrong with a request."""

    model_config = ConfigDict(frozen=True)

    path: str
    found: str | int | float | bool | None = None
    allowed: str


class Fault(BaseModel):
    """What went wrong: `code` is for programs, `message` for people."""

    code: str
    message: str
    details: list[Detail] = []


class Problem(BaseModel):
    """The body of every answer that is not a success."""

    error: Fault
    request_id: str


class ApiError(HTTPException):
    """Raised anywhere while a request is handled; becomes the answer."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Sequence[Detail] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, headers)
        self.fault = Fault(code=code, message=message, details=list(details))

    def response(self, request_id: str) -> Response:
        """The answer in the common shape."""
        body = to_json(Problem(error=self.fault, request_id=request_id))
        return Response(body, self.status_code, self.headers, media_type="application/json")


def problem(description: str) -> dict[str, Any]:
    """An answer that is not a success, for `responses` of a route."""
    return {"model": Problem, "description": description}


def invalid(details: Sequence[Detail]) -> ApiError:
    """A 422 that names the first fault in its message and all of them in its details."""
    first = details[0]
    message = f"{first.path}: expected {first.allowed}, found {_quoted(first.found)}"
    if len(details) > 1:
        message += f" (and {len(details) - 1} more)"
    return ApiError(422, "invalid_request", message, details)


def not_json(reason: object) -> ApiError:
    """The 400 for a body that can't be read."""
    return ApiError(400, "invalid_json", f"the body is not JSON: {reason}")


def from_validation(error: RequestValidationError) -> ApiError:
    """What FastAPI found, in our words: 400 when the body is not JSON, 422 when the request's content is wrong."""
    faults = error.errors()
    first = faults[0]
    if first["type"] == "json_invalid":
        return not_json(first["ctx"]["error"])
    if first["type"] == "missing" and first["loc"] == ("body",):
        return not_json("it is empty")
    return invalid([_detail(fault) for fault in faults])


def _detail(fault: Mapping[str, Any]) -> Detail:
    # Its first part says whether it is the body, a header or the path.
    path = _cut(".".join(str(part) for part in fault["loc"][1:])) or str(fault["loc"][0])
    if fault["type"] == "missing":
        return Detail(path=path, found=None, allowed="a value: the field is required")
    found = _shown(fault["input"])
    if fault["type"] == "extra_forbidden":
        return Detail(path=path, found=found, allowed="no such field")
    if fault["type"] == "model_attributes_type":
        return Detail(path=path, found=found, allowed="an object")
    message = fault["msg"].removeprefix("Value error, ")
    allowed = message.replace("Input should be ", "").replace("String should ", "a string that should ")
    return Detail(path=path, found=found, allowed=allowed)


def _shown(value: object) -> str | int | float | bool | None:
    """`value`, cut short so that an answer never mirrors a large body."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float) and abs(value) < 1e15:
        return value
    return _cut(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


def _cut(text: str) -> str:
    text = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    # JSON can escape halves of characters, which no answer can hold.
    return text.encode(errors="replace").decode()


def _quoted(value: object) -> str:
    return "nothing" if value is None else repr(value)
