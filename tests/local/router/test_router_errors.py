"""Every error that the router raises by itself is JSON, in the services' shape."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from router_harness import DEADLINE, topology

from shipway.local.router import Router
from shipway.local.router.error_answers import all_answers, early_files
from shipway.local.router.own_pages import with_json_pages
from tests.free_ports import free_port

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


UNREADABLE = {
    "no HTTP": b"garbage\r\n\r\n",
    "a control character": b"GET /\x01 HTTP/1.1\r\nhost: a\r\n\r\n",
    "a length that is no number": _POST + b"content-length: x\r\n\r\n",
    "a chunk that is none": _POST + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
    "headers beyond all buffers": _GET + b"cookie: a=" + b"y" * 100_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("what", UNREADABLE)
def test_what_cannot_be_read_as_a_request_is_answered_in_json(routed: Routed, tls: bool, what: str) -> None:
    """HAProxy answers this before it applies any rule, so that there is no number."""
    assert (400, "invalid_request", False) == _refusal(routed, tls, UNREADABLE[what])


def test_pages_in_the_executable_keep_their_length(tmp_path: Path) -> None:
    """Each replaced page is JSON that its own head counts, and nothing around it moves."""
    reason = b"HTTP/1.1 408 Request Time-out\r\n"
    page = reason + b"Content-length: 110\r\nConnection: close\r\n\r\n<html>" + b"x" * 150
    (tmp_path / "haproxy").write_bytes(b"\x7fELF before\0" + page + b"\0after")
    with_json_pages(str(tmp_path / "haproxy"), tmp_path / "bin")
    changed = (tmp_path / "bin" / "haproxy").read_bytes()
    assert (b"\x7fELF before", b"after") == (changed.split(b"\0")[0], changed.split(b"\0")[2])
    head, _, body = changed.split(b"\0")[1].partition(b"\r\n\r\n")
    assert len(page) == len(changed.split(b"\0")[1])
    assert f"content-length: {len(body)}".encode() in head
    assert "request_timeout" == json.loads(body)["error"]["code"]


def test_executable_without_such_pages_runs_as_it_is(tmp_path: Path) -> None:
    """No copy is made where there is nothing to replace, nor run where it does not start."""
    (tmp_path / "plain").write_bytes(b"\x7fELF nothing")
    assert str(tmp_path / "plain") == with_json_pages(str(tmp_path / "plain"), tmp_path / "bin")
    assert not (tmp_path / "bin").exists()


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
        client = stack.enter_context(socket.create_connection(address, timeout=DEADLINE))
        if tls:
            client = stack.enter_context(routed.trust.wrap_socket(client, server_hostname="localhost"))
        received = bytearray()
        # HAProxy leaves what it did not read: the connection may end with a reset, while this side writes or reads.
        with contextlib.suppress(OSError):
            client.sendall(sent)
        with contextlib.suppress(OSError):
            while part := client.recv(65536):
                received += part
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    told = json.loads(body)
    assert b"content-type: application/json" in head.lower()
    return int(head.split()[1]), told["error"]["code"], bool(told["request_id"])
