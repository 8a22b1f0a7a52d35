"""HTTP as clients really send it, over bare connections, to a handler that knows nothing of models."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ml_model_service.http.messages import Answer, Later, Reply, Request
from ml_model_service.http.server import MAX_HEAD, Server
from service import Running

BODY = b'{"a": "body"}'
LARGE = b"b" * 300_000


def answer(request: Request) -> Reply:
    """The body, in each of the ways that a handler may answer: at once, in the same turn, or from a thread."""
    if request.path == b"/headers":
        return Answer(200, b", ".join(sorted(request.headers)))
    if request.path == b"/turn":
        later = Later()
        asyncio.get_running_loop().call_soon(later.resolve, Answer(200, bytes(request.body)))
        return later
    if len(request.body) > 64 * 1024:
        return asyncio.to_thread(Answer, 200, bytes(request.body))
    return Answer(200, bytes(request.body))


def refuse(request: Request, status: int, code: str, _: str) -> Answer:
    """What was read of it, and what is wrong with it."""
    asked_by = request.headers.get(b"x-request-id", b"")
    return Answer(status, b" ".join([request.method, request.path, asked_by, code.encode()]))


@contextmanager
def listening(patience: float) -> Iterator[Running]:
    """A server that takes bodies up to 1 MiB, and waits for them so many seconds."""
    running = Running(Server(answer, refuse, max_body=1 << 20, body_timeout=patience))
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def server() -> Iterator[Running]:
    """A server that waits for its clients."""
    with listening(patience=30) as running:
        yield running


def post(body: bytes, *headers: bytes, path: bytes = b"/") -> bytes:
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


def test_pipelined_requests_are_answered_in_order(server: Running) -> None:
    """Requests sent at once come back in their order, whichever way each is answered."""
    asked = [(b"/", b"1"), (b"/", LARGE), (b"/turn", b"3"), (b"/turn", b"4"), (b"/", LARGE[:70_000]), (b"/", b"6")]
    sent = b"".join(post(body, path=path) for path, body in asked)
    with server.connect() as connection:
        sending = threading.Thread(target=connection.sendall, args=(sent,))
        sending.start()
        found = answers(connection, len(asked))
        sending.join()
    assert [(200, body) for _, body in asked] == found


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_request_may_come_in_pieces(server: Running, size: int) -> None:
    """However the bytes are cut, the answer is the same."""
    request = post(BODY)
    with server.connect() as connection:
        for first in range(0, len(request), size):
            connection.sendall(request[first : first + size])
        ((status, _),) = answers(connection, 1)
    assert 200 == status


def test_a_chunked_body_is_read_and_bounded(server: Running) -> None:
    """A body of undeclared length is answered, and refused once it grows too large."""
    head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    with server.connect() as connection:
        connection.sendall(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY))
        assert 200 == answers(connection, 1)[0][0]
        connection.sendall(head)
        piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
        with pytest.raises(OSError):
            for _ in range(1000):
                connection.sendall(piece)
                if it_has_answered(connection):
                    raise OSError


def it_has_answered(connection: socket.socket) -> bool:
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
        (b"POST / HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: gzip, Chunked\r\n\r\n", 501),
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: 99999999\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", 200),
        (b"GET / HTTP/1.0\r\n\r\n", 200),
        (b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n", 200),
    ],
)
def test_what_ends_a_connection(server: Running, sent: bytes, status: int) -> None:
    """After what is not HTTP, and after the last request of a client, the connection is closed with an answer."""
    with server.connect() as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"POST /a HTTP/1.1\r\nx-request-id: r-1\r\ncontent-length: 99999999\r\n\r\n", b"POST /a r-1 body_too_large"),
        (b"GET /\xff HTTP/1.1\r\nx-request-id: r-1\r\n\r\n", b"   invalid_http"),
        (b"POST /a HTTP/1.1\r\nx-request-id: r-0\r\n\r\nnonsense", b"   invalid_http"),
    ],
)
def test_who_refuses_is_told_what_was_read(server: Running, sent: bytes, told: bytes) -> None:
    """Of a request that is turned down: its method, path and headers, as far as they came."""
    with server.connect() as connection:
        connection.sendall(sent)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.endswith(b"\r\n\r\n" + told)


def test_http_1_0_is_answered_once(server: Running) -> None:
    """A client of that version would have to be told in its own words that the connection stays: it is closed."""
    with server.connect() as connection:
        connection.sendall(b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 200 ") and b"connection: close" in received


@pytest.mark.parametrize(
    "begun",
    [
        b"GET / HTTP/1.1\r\nx: ",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n0\r\nx: ",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1;x=",
    ],
)
def test_endless_headers_are_refused(server: Running, begun: bytes) -> None:
    """A request line, header, trailer or chunk's extension without end costs bounded memory."""
    with server.connect() as connection:
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
def test_who_does_not_read_is_not_read_from(server: Running) -> None:
    """Answers that nobody takes do not pile up: the client's requests stop being taken, and in the end it is cut."""
    request = post(b"b" * (1 << 20))
    with server.connect() as connection:
        connection.settimeout(3)
        with pytest.raises(TimeoutError):
            for _ in range(300):
                connection.sendall(request)
        (waiting,) = [c for c in server._server.connections if c._transport.get_write_buffer_size() > 0]
        assert waiting._transport.get_write_buffer_size() < 2 << 20
        waiting.deadline = time.monotonic()
        deadline = time.monotonic() + 10
        while waiting in server._server.connections and time.monotonic() < deadline:
            time.sleep(0.01)
        assert waiting not in server._server.connections


@pytest.mark.slow
@pytest.mark.parametrize("sent", [b"POST / HTTP/1.1\r\nx-a", post(BODY)[:-5]])
def test_a_slow_client_is_told_and_cut(sent: bytes) -> None:
    """A request that does not arrive whole in time is answered 408."""
    with listening(patience=0.5) as server, server.connect() as connection:
        connection.sendall(sent)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 408 ")
    assert received.endswith(b"POST /  request_timeout")


def test_expect_continue_and_head(server: Running) -> None:
    """A client that asks before it sends is told to go on; HEAD has a length and no body."""
    with server.connect() as connection:
        head, body = post(BODY, b"expect: 100-continue").split(b"\r\n\r\n", 1)
        connection.sendall(head + b"\r\n\r\n")
        assert b"HTTP/1.1 100 Continue\r\n\r\n" == connection.recv(65536)
        connection.sendall(body)
        assert 200 == answers(connection, 1)[0][0]
        connection.sendall(post(BODY, b"connection: close").replace(b"POST", b"HEAD"))
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 200 ") and received.endswith(b"\r\n\r\n")
    assert b"content-length: %d\r\n" % len(BODY) in received


@pytest.mark.slow
def test_a_stop_finishes_what_is_in_flight_and_closes_what_is_idle(server: Running) -> None:
    """A request under way is answered, with the word that it was the last; who is silent is not waited for long."""
    idle, busy = server.connect(), server.connect()
    busy.sendall(post(BODY)[:-1])
    deadline = time.monotonic() + 10
    while not any(c._begun for c in server._server.connections) and time.monotonic() < deadline:
        time.sleep(0.005)
    server.begin_to_stop()
    assert b"" == idle.recv(1)
    busy.sendall(post(BODY)[-1:])
    received = b"".join(iter(lambda: busy.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 200 ") and b"connection: close" in received
    idle.close()
    busy.close()


def test_a_stop_answers_what_was_pipelined(server: Running) -> None:
    """The last of the requests that had come is told that it is the last, not the first."""
    with server.connect() as connection:
        with server.busy():
            connection.sendall(post(LARGE) + b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * 3)
            server.begin_to_stop()
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert 4 == received.count(b"HTTP/1.1 200 OK\r\n")
    assert 1 == received.count(b"connection: close\r\n")


def test_a_client_hears_of_a_stop_in_its_next_answer(server: Running) -> None:
    """Closed at once instead, a request that is on its way would be lost."""
    with server.connect() as connection:
        connection.sendall(post(BODY))
        answers(connection, 1)
        server.begin_to_stop()
        deadline = time.monotonic() + 10
        while not server._server.stopping and time.monotonic() < deadline:
            time.sleep(0.005)
        connection.sendall(post(BODY))
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 200 ") and b"connection: close" in received


def test_an_offer_of_another_protocol_is_passed_over(server: Running) -> None:
    """The request is answered, body and all, and so is the next: Java's client offers HTTP/2 with its first request."""
    offer = (b"connection: Upgrade, HTTP2-Settings", b"upgrade: h2c", b"http2-settings: AAEAAEAAAAIAAAABAAMAAABk")
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n" + b"\r\n".join(offer) + b"\r\n\r\n"
    for sent in (post(BODY, *offer) + post(BODY), head + chunked + post(BODY)):
        for size in (1, 60, len(sent)):
            with server.connect() as connection:
                for start in range(0, len(sent), size):
                    connection.sendall(sent[start : start + size])
                found = answers(connection, 2)
            assert [200, 200] == [status for status, _ in found]
            assert found[0][1] == found[1][1]


def test_offers_of_another_protocol_may_be_pipelined(server: Running) -> None:
    """However many come at once, all are answered."""
    offer = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n"
    with server.connect() as connection:
        connection.sendall(offer * 2000)
        assert [200] * 2000 == [status for status, _ in answers(connection, 2000)]


def test_a_proxy_s_request_is_refused_once(server: Running) -> None:
    """One answer, then the connection ends."""
    with server.connect() as connection:
        connection.sendall(b"CONNECT x:80 HTTP/1.1\r\nhost: x:80\r\n\r\n")
        assert [400] == [status for status, _ in answers(connection, 1)]
        assert b"" == connection.recv(1)


def test_what_follows_a_body_is_no_header(server: Running) -> None:
    """A trailer cannot speak over the headers before the body, nor be one of a million that fill the memory."""
    head = b"POST /headers HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    with server.connect() as connection:
        connection.sendall(head + b"%x\r\n%b\r\n0\r\nx-device-id: 7\r\n\r\n" % (len(BODY), BODY))
        assert [(200, b"host, transfer-encoding")] == answers(connection, 1)


@pytest.mark.parametrize("size", [MAX_HEAD - 200, MAX_HEAD + 200])
@pytest.mark.parametrize("names", [1, 20])
def test_a_head_is_bounded_however_it_arrives(server: Running, size: int, names: int) -> None:
    """Whole or in pieces, in one header or many."""
    lines = [b"x-%d: %b" % (number, b"a" * (size // names)) for number in range(names)]
    for step in (5000, 1 << 20):
        sent = post(BODY, *lines)
        with server.connect() as connection:
            try:
                for start in range(0, len(sent), step):
                    connection.sendall(sent[start : start + step])
            except (BrokenPipeError, ConnectionResetError):
                # turned down before all was sent
                pass
            assert [200 if size < MAX_HEAD else 431] == [status for status, _ in answers(connection, 1)]
