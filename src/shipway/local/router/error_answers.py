"""The router's own errors as JSON, in the shape of the services' errors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus

_MALFORMED = "the request is not well-formed HTTP"
_ERRORS = {
    401: ("unauthorized", "the request needs credentials"),
    403: ("forbidden", "the request is not allowed"),
    404: ("not_found", "nothing answers this path"),
    405: ("method_not_allowed", "the path does not take this method"),
    407: ("unauthorized", "the request needs credentials for the router"),
    408: ("request_timeout", "the request did not arrive in time"),
    410: ("gone", "nothing answers this path any more"),
    413: ("too_large", "the body is too large"),
    421: ("misdirected", "the request belongs on another connection"),
    422: ("invalid_request", "the request cannot be processed"),
    425: ("too_early", "the request came before the connection was secured; send it again"),
    429: ("too_many_requests", "there are too many requests; try again"),
    500: ("internal_error", "the router failed"),
    501: ("not_implemented", "the router does not know this method or transfer coding"),
    502: ("bad_gateway", "the service closed the connection without a valid answer"),
    503: ("unavailable", "no task of the service could take it; try again"),
    504: ("timeout", "the service did not answer in time"),
}
"""What HAProxy may answer by itself, except 400: the code, and the message."""

_EARLY = {400: ("invalid_request", f"{_MALFORMED}, or its headers are too large")} | {
    status: _ERRORS[status] for status in (408, 422, 500, 501)
}
"""What it may answer before a request has a number."""


def json_error(status: int, code: str, message: str) -> str:
    """What follows `http-error` or `http-request return`; texts may hold log-format variables."""
    return f"status {status} content-type application/json lf-string '{_body(code, message, '%[var(txn.request_id)]')}'"


def all_answers() -> str:
    """The lines for every error of a request that was understood.

    400 also ends a body that turned out too large; its code and reason are variables then.
    """
    lines = [json_error(400, "%[var(txn.refused,invalid_request)]", f"%[var(txn.why,{_MALFORMED})]")]
    lines += [json_error(status, *_ERRORS[status]) for status in _ERRORS]
    return "\n".join(f"    http-error {line}{' hdr retry-after 1' if ' 503 ' in line else ''}" for line in lines)


def early_answers() -> str:
    """The lines for errors of what cannot be read as a request. HAProxy only takes whole files there."""
    return "\n".join(f"    errorfile {status} {name}" for status, (name, _) in zip(_EARLY, early_files(), strict=True))


def early_files() -> Iterator[tuple[str, str]]:
    """Name and content of the files that `early_answers` refers to."""
    for status, (code, message) in _EARLY.items():
        body = _body(code, message, "")
        head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\nconnection: close"
        yield f"error-{status}.http", f"{head}\r\ncontent-length: {len(body)}\r\n\r\n{body}"


def short_body(status: int) -> bytes:
    """The same without spaces, and for 400 without the details: it must fit where HAProxy's page was."""
    code, message = ("invalid_request", "malformed request") if status == 400 else _EARLY[status]
    return json.dumps(json.loads(_body(code, message, "")), separators=(",", ":")).encode()


def _body(code: str, message: str, request_id: str) -> str:
    return json.dumps({"error": {"code": code, "message": message, "details": []}, "request_id": request_id})
