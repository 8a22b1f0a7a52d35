"""Errors as clients see them: one JSON shape for all, with the path of what is wrong and what is allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, to_json
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


@dataclass
class ApiError(Exception):
    """Raised anywhere while a request is handled; becomes the answer."""

    status: int
    code: str
    message: str
    details: Sequence[Detail] = ()
    headers: Mapping[str, str] | None = None

    def response(self, request_id: str) -> Response:
        """The answer in the common shape."""
        fault = Fault(code=self.code, message=self.message, details=list(self.details))
        body = to_json(Problem(error=fault, request_id=request_id))
        return Response(body, self.status, self.headers, media_type="application/json")


def invalid(details: Sequence[Detail]) -> ApiError:
    """A 422 that names the first fault in its message and all of them in its details."""
    first = details[0]
    message = f"{first.path}: expected {first.allowed}, found {_quoted(first.found)}"
    if len(details) > 1:
        message += f" (and {len(details) - 1} more)"
    return ApiError(422, "invalid_request", message, details)


def from_validation(error: ValidationError) -> ApiError:
    """What pydantic found, in our words: 400 when the body is not JSON, 422 when its content is wrong."""
    faults = error.errors(include_url=False)
    if faults[0]["type"] == "json_invalid":
        reason = faults[0].get("ctx", {}).get("error", "unreadable")
        return ApiError(400, "invalid_json", f"the body is not JSON: {reason}")
    return invalid([_detail(fault) for fault in faults])


def _detail(fault: ErrorDetails) -> Detail:
    path = ".".join(str(part) for part in fault["loc"]) or "body"
    if fault["type"] == "missing":
        return Detail(path=path, found=None, allowed="a value: the field is required")
    if fault["type"] == "extra_forbidden":
        return Detail(path=path, found=_shown(fault["input"]), allowed="no such field")
    message = fault["msg"].removeprefix("Value error, ")
    allowed = message.replace("Input should be ", "").replace("String should ", "a string that should ")
    return Detail(path=path, found=_shown(fault["input"]), allowed=allowed)


def _shown(value: object) -> str | int | float | bool | None:
    """`value`, cut short so that an answer never mirrors a large body."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float) and abs(value) < 1e15:
        return value
    text = value if isinstance(value, str) else to_json(value, inf_nan_mode="constants", fallback=str).decode()
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _quoted(value: object) -> str:
    return "nothing" if value is None else repr(value)
