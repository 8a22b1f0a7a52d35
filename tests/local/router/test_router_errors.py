"""Every error that the router raises by itself is JSON, in the services' shape."""

from __future__ import annotations

import json
import socket
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from router_harness import free_port, topology

from shipway.local.router import Router
from shipway.local.router.error_answers import all_answers, early_files

_GET = b"GET /api/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n"
_POST = b"POST /api/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n"


class Routed(NamedTuple):
    """Where the router is, and whom its clients trust."""

    port: int
    https_port: int
    trust: ssl.SSLContext


REFUSED = {
    "a cookie of 20,000 bytes": (_GET + b"cookie: a=" + b"y" * 20_000 + b"\r\n\r\n", 431, "headers_too_large"),
    "a cookie of 60,000 bytes": (_GET + b"cookie: a=" + b"y" * 60_000 + b"\r\n\r\n", 431, "headers_too_large"),
    "150 headers": (_GET + b"".join(b"x-%d: y\r\n" % n for n in range(150)) + b"\r\n", 431, "headers_too_large"),
    "a long path": (_GET.replace(b"/x", b"/" + b"y" * 20_000) + b"\r\n", 414, "uri_too_long"),
    "an unknown path": (_GET.replace(b"/api/x", b"/nowhere") + b"\r\n", 404, "not_found"),
    "a body too large": (_POST + b"content-length: 99999999\r\n\r\n", 413, "too_large"),
    "nobody there": (_GET.replace(b"/api", b"/ml") + b"\r\n", 503, "unavailable"),
}


@pytest.fixture(scope="module")
def routed() -> Iterator[Routed]:
    """A router for all of these requests. A module's own: they change nothing."""
    with tempfile.TemporaryDirectory(prefix="sw-") as folder:
        router = Router(Path(folder) / "router", Path(folder))
        port, https_port = free_port(), free_port()
        router.ensure_running(topology(port, https_port=https_port))
        yield Routed(port, https_port, ssl.create_default_context(cafile=str(router.authority)))
        router.stop()


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("what", REFUSED)
def test_refused_request_is_answered_in_json(routed: Routed, tls: bool, what: str) -> None:
    """Status, code and the request's number are in the body, over HTTP as over HTTPS."""
    sent, status, code = REFUSED[what]
    assert (status, code, True) == _refusal(routed, tls, sent)


def test_every_status_has_its_text() -> None:
    """No error page of HAProxy's own is left."""
    lines = all_answers().splitlines()
    known = {400, 401, 403, 404, 405, 407, 408, 410, 413, 421, 422, 425, 429, 500, 501, 502, 503, 504}
    assert known == {int(line.split("status ")[1][:3]) for line in lines}
    for _, text in early_files():
        head, _, body = text.partition("\r\n\r\n")
        assert f"content-length: {len(body)}" in head
        assert {"error", "request_id"} == json.loads(body).keys()


def _refusal(routed: Routed, tls: bool, sent: bytes) -> tuple[int, str, bool]:
    """Status, code, and whether the request's number is told."""
    with ExitStack() as stack:
        address = ("127.0.0.1", routed.https_port if tls else routed.port)
        client = stack.enter_context(socket.create_connection(address, timeout=15))
        if tls:
            client = stack.enter_context(routed.trust.wrap_socket(client, server_hostname="localhost"))
        client.sendall(sent)
        received = b"".join(iter(lambda: client.recv(65536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    told = json.loads(body)
    assert b"content-type: application/json" in head.lower()
    return int(head.split()[1]), told["error"]["code"], bool(told["request_id"])
