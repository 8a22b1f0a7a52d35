"""What shipway.yaml says of a service's limits holds at the router, and checks are polite."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from router_harness import DEADLINE, Task, ask, topology

from shipway.core.description.app import Service
from shipway.local.router import Router, Topology
from shipway.local.tasks.probes import ask_all
from tests.free_ports import free_port
from tests.waiting import wait_for


class _Plain(http.server.ThreadingHTTPServer):
    """A task on the standard library's server. Keeps the Host headers it was sent and what went wrong."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.hosts: list[str] = []
        self.faults: list[str] = []
        self.arrived = 0

    def handle_error(self, *_: object) -> None:
        """Where a traceback would be logged."""
        self.faults.append(repr(sys.exc_info()[1]))


class _Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, _Plain)
        self.server.hosts.append(self.headers["host"])
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status": "ok"}')

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def plain() -> Iterator[_Plain]:
    """Running."""
    server = _Plain()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def _with(port: int, **limits: object) -> Topology:
    environment = topology(port).environments[0]
    services = tuple(replace(service, **limits) for service in environment.services)  # type: ignore[arg-type]
    return Topology((replace(environment, services=services),))


def test_health_checks_end_in_order(router: Router, port: int, plain: _Plain) -> None:
    """A server that logs reset connections as errors has nothing to log."""
    router.set_tasks("prod", "blue", "backend-api", {"plain": plain.server_port})
    wait_for(lambda: len(plain.hosts) > 3, "checks come")
    assert [] == plain.faults


def test_checks_and_probes_name_the_host_that_the_service_wants(router: Router, port: int, plain: _Plain) -> None:
    """A server that answers to its own name alone is healthy."""
    router.ensure_running(_with(port, check_host="shop.example:8000"))
    router.set_tasks("prod", "blue", "backend-api", {"plain": plain.server_port})
    wait_for(lambda: plain.hosts, "a check comes")
    ask_all([(plain.server_port, "web", Service(path="web", command="run", check_host="shop.example:8000"))], DEADLINE)
    assert {"shop.example:8000"} == set(plain.hosts)


def test_answer_that_takes_too_long_is_504(router: Router, port: int, start: Callable[..., Task]) -> None:
    """The service's own time counts, for clients and for the side's services."""
    router.ensure_running(_with(port, answer_timeout=1.0))
    held = threading.Event()
    task = start("slow", held=held)
    router.set_tasks("prod", "blue", "ml-model-service", {"slow": task.port})
    internal = router.internal_port("prod", "blue", "ml-model-service")
    answers = [ask(port, "/ml/x", method="POST"), ask(internal, "/x", method="POST")]
    held.set()
    assert [(504, "timeout")] * 2 == [(answer.status, answer.json["error"]["code"]) for answer in answers]


def test_largest_body_is_the_services_own(router: Router, port: int, start: Callable[..., Task]) -> None:
    """One byte more is 413, and the answer says how many may be sent."""
    environment = topology(port).environments[0]
    first, second = environment.services
    router.ensure_running(Topology((replace(environment, services=(replace(first, largest_body=1000), second)),)))
    for service in ("backend-api", "ml-model-service"):
        router.set_tasks("prod", "blue", service, {service: start(service).port})
    sent = [("/api/x", 1000), ("/api/x", 1001), ("/ml/x", 1001)]
    answers = [ask(port, path, method="POST", body="b" * length) for path, length in sent]
    assert [200, 413, 200] == [answer.status for answer in answers]
    assert "1000 bytes" in answers[1].json["error"]["message"]


@pytest.mark.parametrize(("session", "hard_stop"), [(7200.0, "7200s"), (1.0, "120s")])
def test_sessions_outlast_a_reload_for_as_long_as_they_may(
    router: Router, port: int, tmp_path: Path, session: float, hard_stop: str
) -> None:
    """A worker that a reload replaced lives as long as the longest session that is allowed, and any drain."""
    router.ensure_running(_with(port, longest_session=session))
    text = (tmp_path / "router" / "haproxy.cfg").read_text()
    assert f"hard-stop-after {hard_stop}\n" in text
    assert f"timeout tunnel {int(session * 1000)}ms\n" in text


def test_open_stream_goes_on_through_a_new_route(router: Router, port: int) -> None:
    """A WebSocket that is open while a release brings a route keeps its task."""
    with socket.create_server(("127.0.0.1", 0)) as task:
        router.set_tasks("prod", "blue", "backend-api", {"task": task.getsockname()[1]})
        upgrade = "GET /api/x HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as client:
            client.sendall(f"{upgrade}sec-websocket-version: 13\r\nsec-websocket-key: {'a' * 22}==\r\n\r\n".encode())
            accepted = _first_request(task)
            accepted.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
                b"sec-websocket-accept: x\r\n\r\n"
            )
            assert client.recv(1000).startswith(b"HTTP/1.1 101")
            router.ensure_running(topology(port, extra="/v2/*"))
            accepted.sendall(b"after")
            assert b"after" == client.recv(100)
            accepted.close()


def _first_request(task: socket.socket) -> socket.socket:
    """The connection that is no health check."""
    task.settimeout(DEADLINE)
    while True:
        connection, _ = task.accept()
        connection.settimeout(DEADLINE)
        if b"upgrade" in connection.recv(4000):
            return connection
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        connection.close()


def _chunks(length: int) -> Iterator[bytes]:
    """A chunked body."""
    piece = b"x" * 65536
    while length > 0:
        part = piece[:length]
        yield b"%x\r\n%s\r\n" % (len(part), part)
        length -= len(part)
    yield b"0\r\n\r\n"


def _upload(client: socket.socket, length: int) -> bytes:
    """Sends a body of undeclared length. Answers what came back; nothing when the connection was reset."""
    client.settimeout(DEADLINE)
    answer = b""
    with contextlib.suppress(OSError):
        client.sendall(b"POST /api/x HTTP/1.1\r\nhost: a\r\nx-request-id: up\r\ntransfer-encoding: chunked\r\n\r\n")
        for chunk in _chunks(length):
            client.sendall(chunk)
    with contextlib.suppress(OSError):
        answer = client.recv(65536)
    return answer


class _Reads(_Answers):
    """Counts what arrives of chunked bodies."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        assert isinstance(self.server, _Plain)
        while size := int(self.rfile.readline().strip() or b"0", 16):
            self.server.arrived += len(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()


@pytest.mark.parametrize("tls", [False, True])
def test_largest_body_holds_for_one_of_undeclared_length(router: Router, port: int, plain: _Plain, tls: bool) -> None:
    """A chunked upload ends once it is too large: the task sees no more than it may, and the answer is 413."""
    https_port = free_port()
    environment = replace(_with(port, largest_body=1_000_000).environments[0], https_port=https_port)
    router.ensure_running(Topology((environment,)))
    plain.RequestHandlerClass = _Reads
    router.set_tasks("prod", "blue", "backend-api", {"plain": plain.server_port})
    trust = ssl.create_default_context(cafile=str(router.authority))

    def upload(length: int) -> bytes:
        with socket.create_connection(("127.0.0.1", https_port if tls else port)) as plain_client:
            if not tls:
                return _upload(plain_client, length)
            with trust.wrap_socket(plain_client, server_hostname="localhost") as client:
                return _upload(client, length)

    assert upload(1_000_000).startswith(b"HTTP/1.1 200 ")
    assert (1_000_000, 1) == (plain.arrived, router.traffic("prod")["blue"].requests)
    answer = upload(1_000_500)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ")
    told = json.loads(body)
    assert ("too_large", "the body may have at most 1000000 bytes") == (told["error"]["code"], told["error"]["message"])
    assert "up" == told["request_id"]
    upload(20_000_000)
    assert plain.arrived <= 3_000_000
    assert 0 == router.traffic("prod")["blue"].errors
