"""HTTP as clients really send it, over bare connections."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import ROW
from ml_model_service.http.messages import Answer, Request
from ml_model_service.http.server import MAX_HEAD, Server
from ml_model_service.settings import Settings
from ml_model_service.versions.model import Model
from ml_model_service.versions.reload import Served
from service import Service

BODY = json.dumps({"instances": [ROW]}).encode()
LARGE = json.dumps({"instances": [ROW] * 2000}).encode()


@pytest.fixture
def service(tmp_path: Path, model: Model) -> Iterator[Service]:
    """A service with a model, bodies up to 1 MiB, and little patience."""
    running = Service(Settings(max_body=1 << 20), Served(), tmp_path / "log", body_timeout=0.5)
    running.serve(model)
    yield running
    running.stop()


def post(body: bytes, *headers: bytes, path: bytes = b"/predict") -> bytes:
    """A request as bytes."""
    lines = (b"POST " + path + b" HTTP/1.1", b"host: x", b"content-length: %d" % len(body), *headers)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def answers(connection: socket.socket, count: int) -> list[tuple[int, bytes]]:
    """Status and body of the next `count` answers."""
    found = []
    with connection.makefile("rb") as reader:
        for _ in range(count):
            status = int(reader.readline().split()[1])
            length = 0
            while (line := reader.readline().strip()) != b"":
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            found.append((status, reader.read(length)))
    return found


def test_pipelined_requests_are_answered_in_order(service: Service) -> None:
    """Requests sent at once come back in their order, large ones that take a thread among them."""
    with service.connect() as connection:
        paths = [b"/health", b"/predict", b"/health", b"/predict", b"/ready"]
        bodies = [b"", LARGE, b"", BODY, b""]
        sent = b"".join(
            post(body) if body else b"GET " + path + b" HTTP/1.1\r\nhost: x\r\n\r\n"
            for path, body in zip(paths, bodies, strict=True)
        )
        sending = threading.Thread(target=connection.sendall, args=(sent,))
        sending.start()
        found = answers(connection, 5)
        sending.join()
    assert [200] * 5 == [status for status, _ in found]
    assert [15, 2000, 15, 1] == [
        len(found[0][1]), len(json.loads(found[1][1])["predictions"]), len(found[2][1]),
        len(json.loads(found[3][1])["predictions"]),
    ]  # fmt: skip


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_request_may_come_in_pieces(service: Service, size: int) -> None:
    """However the bytes are cut, the answer is the same."""
    request = post(BODY)
    with service.connect() as connection:
        for first in range(0, len(request), size):
            connection.sendall(request[first : first + size])
        ((status, _),) = answers(connection, 1)
    assert 200 == status


def test_a_chunked_body_is_read_and_bounded(service: Service) -> None:
    """A body of undeclared length is answered, and refused once it grows too large."""
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    with service.connect() as connection:
        connection.sendall(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY))
        assert 200 == answers(connection, 1)[0][0]
        connection.sendall(head)
        piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
        with pytest.raises(OSError):
            for _ in range(1000):
                connection.sendall(piece)
                if service_has_answered(connection):
                    raise OSError


def service_has_answered(connection: socket.socket) -> bool:
    """Whether an answer waits to be read, and is a 413."""
    connection.setblocking(False)
    try:
        return connection.recv(9 + 3, socket.MSG_PEEK).endswith(b"413")
    except BlockingIOError:
        return False
    finally:
        connection.settimeout(10)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 1, 2\r\n\r\n", 400),
        (b"POST /predict HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"POST /predict HTTP/1.1\r\ntransfer-encoding: gzip, Chunked\r\n\r\n", 501),
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"POST /predict HTTP/1.1\r\ncontent-length: 99999999\r\n\r\n", 413),
        (b"GET /health HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", 200),
        (b"GET /health HTTP/1.0\r\n\r\n", 200),
        (b"GET /health HTTP/1.0\r\nconnection: keep-alive\r\n\r\n", 200),
        (b"GET /health HTTP/1.1\r\nconnection: close\r\n\r\n", 200),
    ],
)
def test_what_ends_a_connection(service: Service, sent: bytes, status: int) -> None:
    """After what is not HTTP, and after the last request of a client, the connection is closed with an answer."""
    with service.connect() as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize(
    ("sent", "line"),
    [
        (b"POST /predict HTTP/1.1\r\nx-request-id: r-1\r\ncontent-length: 99999999\r\n\r\n", ("POST", "/predict", 413)),
        (b"GET /\xff HTTP/1.1\r\nx-request-id: r-1\r\n\r\n", ("", "", 400)),
        (b"POST /predict HTTP/1.1\r\nx-request-id: r-0\r\n\r\nnonsense", ("", "", 400)),
    ],
)
def test_what_is_turned_down_is_logged_and_counted(service: Service, sent: bytes, line: tuple[str, str, int]) -> None:
    """As any answer is, with the client's id if that was read."""
    with service.connect() as connection:
        connection.sendall(sent)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    request_id = re.findall(rb"x-request-id: (.*)\r\n", received)[-1].decode()
    assert (request_id == "r-1") == bool(line[0])
    assert f'model_http_requests_total{{status="{line[2]}"}} ' in service.send("GET", "/metrics").text
    (found,) = [found for found in service.lines() if found["request_id"] == request_id]
    assert line == (found["method"], found["path"], found["status"])


def test_http_1_0_is_answered_once(service: Service) -> None:
    """A client of that version would have to be told in its own words that the connection stays: it is closed."""
    with service.connect() as connection:
        connection.sendall(b"GET /health HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 200 ") and b"connection: close" in received


@pytest.mark.parametrize(
    "begun",
    [
        b"GET /health HTTP/1.1\r\nx: ",
        b"POST /predict HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n0\r\nx: ",
        b"POST /predict HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1;x=",
    ],
)
def test_endless_headers_are_refused(service: Service, begun: bytes) -> None:
    """A request line, header, trailer or chunk's extension without end costs bounded memory."""
    with service.connect() as connection:
        connection.sendall(begun)
        received = b""
        try:
            for _ in range(100):
                connection.sendall(b"a" * MAX_HEAD)
        except OSError:
            pass
        try:
            received = connection.recv(65536)
        except ConnectionResetError:
            return
    assert received.startswith(b"HTTP/1.1 431 ")


@pytest.mark.slow
def test_who_does_not_read_is_not_read_from(service: Service) -> None:
    """Answers that nobody takes do not pile up: the client's requests stop being taken, and in the end it is cut."""
    request = post(LARGE[: LARGE.index(b"[") + 1] + b", ".join([json.dumps(ROW).encode()] * 9000) + b"]}")
    with service.connect() as connection:
        connection.settimeout(3)
        with pytest.raises(TimeoutError):
            for _ in range(300):
                connection.sendall(request)
        (waiting,) = [c for c in service._server.connections if c._transport.get_write_buffer_size() > 0]
        assert waiting._transport.get_write_buffer_size() < 1 << 20
        waiting.deadline = time.monotonic()
        deadline = time.monotonic() + 10
        while waiting in service._server.connections and time.monotonic() < deadline:
            time.sleep(0.01)
        assert waiting not in service._server.connections


@pytest.mark.slow
@pytest.mark.parametrize("sent", [b"POST /predict HTTP/1.1\r\nx-a", post(BODY)[:-5]])
def test_a_slow_client_is_told_and_cut(service: Service, sent: bytes) -> None:
    """A request that does not arrive whole in time is answered 408, and logged."""
    with service.connect() as connection:
        connection.sendall(sent)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 408 ")
    assert ("/predict", 408) == ((line := service.lines()[-1])["path"], line["status"])


def test_expect_continue_and_head(service: Service) -> None:
    """A client that asks before it sends is told to go on; HEAD has a length and no body."""
    with service.connect() as connection:
        head, body = post(BODY, b"expect: 100-continue").split(b"\r\n\r\n", 1)
        connection.sendall(head + b"\r\n\r\n")
        assert b"HTTP/1.1 100 Continue\r\n\r\n" == connection.recv(65536)
        connection.sendall(body)
        assert 200 == answers(connection, 1)[0][0]
    answer = service.send("HEAD", "/health")
    assert (200, "15", b"") == (answer.status_code, answer.headers["content-length"], answer.content)


@pytest.mark.slow
def test_a_stop_finishes_what_is_in_flight_and_closes_what_is_idle(service: Service) -> None:
    """A request under way is answered, with the word that it was the last; who is silent is not waited for long."""
    idle, busy = service.connect(), service.connect()
    busy.sendall(post(BODY)[:-1])
    deadline = time.monotonic() + 10
    while not any(c._begun for c in service._server.connections) and time.monotonic() < deadline:
        time.sleep(0.005)
    service.begin_to_stop()
    assert b"" == idle.recv(1)
    busy.sendall(post(BODY)[-1:])
    received = b"".join(iter(lambda: busy.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 200 ") and b"connection: close" in received
    idle.close()
    busy.close()


def test_a_stop_answers_what_was_pipelined(service: Service) -> None:
    """The last of the requests that had come is told that it is the last, not the first."""
    with service.connect() as connection:
        with service.busy():
            connection.sendall(post(LARGE) + b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n" * 3)
            service.begin_to_stop()
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert 4 == received.count(b"HTTP/1.1 200 OK\r\n")
    assert 1 == received.count(b"connection: close\r\n")


def test_a_client_hears_of_a_stop_in_its_next_answer(service: Service) -> None:
    """Closed at once instead, a request that is on its way would be lost."""
    with service.connect() as connection:
        connection.sendall(post(BODY))
        answers(connection, 1)
        service.begin_to_stop()
        deadline = time.monotonic() + 10
        while not service._server.stopping and time.monotonic() < deadline:
            time.sleep(0.005)
        connection.sendall(post(BODY))
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 200 ") and b"connection: close" in received


def test_the_server_knows_nothing_of_models() -> None:
    """Any callable is a handler."""
    server = Server(lambda request: Answer(200, request.path), lambda *_: Answer(400, b""), max_body=1, body_timeout=1)
    answer = server.handler(Request(b"GET", b"/a?b=c", {}, b"", 0.0))
    assert isinstance(answer, Answer) and b"/a" == answer.body


def test_an_offer_of_another_protocol_is_passed_over(service: Service) -> None:
    """The request is answered, body and all, and so is the next: Java's client offers HTTP/2 with its first request."""
    offer = (b"connection: Upgrade, HTTP2-Settings", b"upgrade: h2c", b"http2-settings: AAEAAEAAAAIAAAABAAMAAABk")
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n" + b"\r\n".join(offer) + b"\r\n\r\n"
    for sent in (post(BODY, *offer) + post(BODY), head + chunked + post(BODY)):
        for size in (1, 60, len(sent)):
            with service.connect() as connection:
                for start in range(0, len(sent), size):
                    connection.sendall(sent[start : start + size])
                found = answers(connection, 2)
            assert [200, 200] == [status for status, _ in found]
            assert found[0][1] == found[1][1]


def test_offers_of_another_protocol_may_be_pipelined(service: Service) -> None:
    """However many come at once, all are answered."""
    offer = b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n"
    with service.connect() as connection:
        connection.sendall(offer * 2000)
        assert [200] * 2000 == [status for status, _ in answers(connection, 2000)]


def test_a_proxy_s_request_is_refused_once(service: Service) -> None:
    """One answer, then the connection ends."""
    with service.connect() as connection:
        connection.sendall(b"CONNECT x:80 HTTP/1.1\r\nhost: x:80\r\n\r\n")
        assert [400] == [status for status, _ in answers(connection, 1)]
        assert b"" == connection.recv(1)


def test_what_follows_a_body_is_no_header(service: Service) -> None:
    """A trailer cannot ask for a variant that there is not, nor be one of a million that fill the memory."""
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    trailer = b"x-amzn-sagemaker-target-variant: v9-9\r\ncontent-type: text/html\r\n"
    with service.connect() as connection:
        connection.sendall(head + b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(BODY), BODY, trailer))
        assert [200] == [status for status, _ in answers(connection, 1)]


@pytest.mark.parametrize("size", [MAX_HEAD - 200, MAX_HEAD + 200])
@pytest.mark.parametrize("names", [1, 20])
def test_a_head_is_bounded_however_it_arrives(service: Service, size: int, names: int) -> None:
    """Whole or in pieces, in one header or many."""
    lines = [b"x-%d: %b" % (number, b"a" * (size // names)) for number in range(names)]
    for step in (5000, 1 << 20):
        sent = post(BODY, *lines)
        with service.connect() as connection:
            try:
                for start in range(0, len(sent), step):
                    connection.sendall(sent[start : start + step])
            except (BrokenPipeError, ConnectionResetError):
                # turned down before all was sent
                pass
            assert [200 if size < MAX_HEAD else 431] == [status for status, _ in answers(connection, 1)]


def test_a_target_in_a_proxy_s_form_is_taken(service: Service) -> None:
    """As every server must; where no path is named, that is the root."""
    with service.connect() as connection:
        connection.sendall(post(BODY, path=b"http://model.example:8080/predict?x=1") + post(BODY, path=b"HTTP://x"))
        found = answers(connection, 2)
    assert [200, 404] == [status for status, _ in found]
    assert b"no such path: /;" in found[1][1]
