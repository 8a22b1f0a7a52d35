"""Rows that arrive together are answered together, each with its own prediction."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest

from conftest import ROW, Publish, score
from ml_model_service.contract.wanted import Wanted
from ml_model_service.engines import EngineError
from ml_model_service.http.messages import Answer, Request
from ml_model_service.predictions import ROWS_IN_THREAD
from ml_model_service.settings import Settings
from ml_model_service.turn import TOGETHER, Rows, Turn
from ml_model_service.versions.model import Model, load
from ml_model_service.versions.reload import Served
from samples import npy
from service import Service

pytestmark = pytest.mark.slow

CLIENTS = 24
BAD_MINUTE = 666.0


class Counting:
    """A real engine that notes how many rows each call had, and where, and cannot predict rows of one minute."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.calls: list[int] = []
        self.threads: list[str] = []

    def predict(self, values: array[float], rows: int) -> list[float]:
        self.calls.append(rows)
        self.threads.append(threading.current_thread().name)
        if BAD_MINUTE in values[3::4]:
            raise EngineError("no such minute")
        return list(self._engine.predict(values, rows))

    def predict_one(self, values: Sequence[float]) -> float:
        self.calls.append(1)
        if values[3] == BAD_MINUTE:
            raise EngineError("no such minute")
        return float(self._engine.predict_one(values))


class Losing(Counting):
    """A real engine that loses the last of many rows."""

    def predict(self, values: array[float], rows: int) -> list[float]:
        return super().predict(values, rows)[:-1]


def counting(model: Model) -> tuple[Model, Counting]:
    """The model with its engine's calls noted."""
    engine = Counting(model.engine)
    return replace(model, engine=engine), engine


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    running = Service(Settings(), Served(), tmp_path / "log")
    yield running
    running.stop()


def sent_together(service: Service, minutes: Sequence[float]) -> list[tuple[int, Any]]:
    """Status and content for each row."""
    return answers(service, [[minute] for minute in minutes])


def answers(service: Service, requests: Sequence[Sequence[float]]) -> list[tuple[int, Any]]:
    """Status and content of each request, all sent while the event loop is busy, so that it finds them at once."""
    sockets = [service.connect() for _ in requests]
    with service.busy():
        for connection, minutes in zip(sockets, requests, strict=True):
            body = json.dumps({"instances": [ROW | {"minute": minute} for minute in minutes]}).encode()
            head = b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
            connection.sendall(head + body)
    return [received(connection) for connection in sockets]


def everything(connection: socket.socket) -> bytes:
    """All that comes until the service closes the connection."""
    data = b""
    with connection:
        while part := connection.recv(65536):
            data += part
    return data


def received(connection: socket.socket) -> tuple[int, Any]:
    """Status and content of a connection's one answer."""
    head, _, body = everything(connection).partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def test_each_row_gets_its_own_prediction(
    service: Service, publish: Publish, boosters: list[lightgbm.Booster], tmp_path: Path
) -> None:
    """In one call of the model, and each answer goes to who asked."""
    model, engine = counting(load(publish(tmp_path, "v1.0")))
    service.serve(model)
    minutes = [float(50 * n) for n in range(CLIENTS)]
    expected = [(200, score(boosters[0], ROW | {"minute": minute})) for minute in minutes]
    found = sent_together(service, minutes)
    assert expected == [(status, content["predictions"][0]) for status, content in found]
    assert CLIENTS in engine.calls


def test_a_row_that_fails_fails_alone(service: Service, publish: Publish, tmp_path: Path) -> None:
    """Its neighbours are predicted without it, and it alone is counted as an error."""
    model, _ = counting(load(publish(tmp_path, "v1.0")))
    service.serve(model)
    minutes = [BAD_MINUTE if n == 5 else float(n) for n in range(CLIENTS)]
    statuses = [status for status, _ in sent_together(service, minutes)]
    assert [500 if n == 5 else 200 for n in range(CLIENTS)] == statuses
    variant = service.send("GET", "/variants").json()["variants"][0]
    assert (CLIENTS, 1) == (variant["requests"], variant["errors"])


def test_requests_of_several_rows_are_predicted_among_others(
    service: Service, publish: Publish, boosters: list[lightgbm.Booster], tmp_path: Path
) -> None:
    """Each gets its own rows' predictions, in order; one with a bad row fails alone."""
    model, engine = counting(load(publish(tmp_path, "v1.0")))
    service.serve(model)
    requests = [[float(100 * n + row) for row in range(n % 5 + 1)] for n in range(14)]
    expected = [(200, [score(boosters[0], ROW | {"minute": minute}) for minute in minutes]) for minutes in requests]
    assert expected == [(status, content["predictions"]) for status, content in answers(service, requests)]
    assert sum(map(len, requests)) in engine.calls
    requests[4] = [1.0, BAD_MINUTE]
    found = answers(service, requests)
    assert [500 if n == 4 else 200 for n in range(14)] == [status for status, _ in found]
    assert expected[5:] == [(status, content["predictions"]) for status, content in found[5:]]


@pytest.mark.parametrize(("rows", "in_loop"), [(ROWS_IN_THREAD, True), (ROWS_IN_THREAD + 1, False)])
def test_many_rows_keep_nobody_waiting(
    service: Service, publish: Publish, tmp_path: Path, rows: int, in_loop: bool
) -> None:
    """However small their body: they are predicted beside the event loop."""
    model, engine = counting(load(publish(tmp_path, "v1.0")))
    service.serve(model)
    body = npy(np.zeros((rows, len(ROW)), dtype="i1"))
    answer = service.send("POST", "/predict", content=body, headers={"content-type": "application/x-npy"})
    assert (200, in_loop) == (answer.status_code, [service.thread_name] == engine.threads)


def test_an_engine_that_loses_rows_costs_none_its_answer(
    service: Service, publish: Publish, boosters: list[lightgbm.Booster], tmp_path: Path
) -> None:
    """Whose prediction is missing cannot be told, so each row is asked for alone."""
    model = load(publish(tmp_path, "v1.0"))
    service.serve(replace(model, engine=Losing(model.engine)))
    minutes = [float(50 * n) for n in range(CLIENTS)]
    expected = [(200, [score(boosters[0], ROW | {"minute": minute})]) for minute in minutes]
    assert expected == [(status, content["predictions"]) for status, content in sent_together(service, minutes)]


def test_an_answer_that_cannot_be_made_keeps_no_other_waiting(publish: Publish, tmp_path: Path) -> None:
    """What was raised is that row's own; its neighbours get theirs."""
    served = Served()
    model = load(publish(tmp_path, "v1.0"))
    served.take(Wanted("v1.0"), {"v1.0": model})
    assert served.serving is not None
    bad, failed, sent = b"2", Answer(500, b"failed"), []

    def answer(rows: Rows, _: list[float] | Exception) -> Answer:
        if rows.request_id == bad:
            raise RuntimeError("can't start new thread")
        return Answer(200, rows.request_id)

    async def one_turn() -> None:
        turn = Turn(answer)
        for number in range(TOGETHER):
            request = Request(b"POST", b"/predict", {}, b"", 0.0, clients=TOGETHER)
            rows = Rows(request, b"%d" % number, served.serving, 0, "json", "json", [1.0, 0.0, 60.0, 480.0], 1)
            rows.steps = (lambda found: failed if isinstance(found, Exception) else found,)
            rows.deliver = sent.append
            assert rows is turn.reply(rows)
        await asyncio.sleep(0)

    asyncio.run(one_turn())
    assert [b"0", b"1", b"failed", b"3"] == [answer.body for answer in sent]


def test_variants_are_kept_apart(
    service: Service, publish: Publish, boosters: list[lightgbm.Booster], tmp_path: Path
) -> None:
    """Rows of two versions arrive in one turn; each is predicted by its own."""
    models = [load(publish(tmp_path, version, which)) for which, version in enumerate(("v1.0", "v1.1"))]
    service.serve(*models, wanted=Wanted("v1.0", (("v1.1", 50.0),)))
    minutes = [float(50 * n) for n in range(CLIENTS)]
    seen = set()
    for minute, (status, content) in zip(minutes, sent_together(service, minutes), strict=True):
        version = content["model_version"]
        seen.add(version)
        which = ("v1.0", "v1.1").index(version)
        assert (200, score(boosters[which], ROW | {"minute": minute})) == (status, content["predictions"][0])
    assert {"v1.0", "v1.1"} == seen


@pytest.mark.parametrize("others", [0, CLIENTS])
def test_a_row_without_company_is_answered_too(service: Service, publish: Publish, tmp_path: Path, others: int) -> None:
    """Whether other clients are there, and silent, or not; what fails is told alike."""
    model, engine = counting(load(publish(tmp_path, "v1.0")))
    service.serve(model)
    silent = [service.connect() for _ in range(others)]
    statuses = [
        service.send("POST", "/predict", json={"instances": [ROW | {"minute": minute}]}).status_code
        for minute in (1.0, BAD_MINUTE)
    ]
    for connection in silent:
        connection.close()
    assert ([200, 500], [1, 1]) == (statuses, engine.calls)


def test_pipelined_rows_are_answered_in_order(
    service: Service, publish: Publish, boosters: list[lightgbm.Booster], tmp_path: Path
) -> None:
    """One connection's requests wait for one another."""
    service.serve(load(publish(tmp_path, "v1.0")))
    minutes = [float(100 * n) for n in range(10)]
    connection = service.connect()
    for number, minute in enumerate(minutes):
        body = json.dumps({"instances": [ROW | {"minute": minute}]}).encode()
        last = b"connection: close\r\n" if number == len(minutes) - 1 else b""
        connection.sendall(
            b"POST /predict HTTP/1.1\r\nhost: a\r\n%bcontent-length: %d\r\n\r\n" % (last, len(body)) + body
        )
    answers = everything(connection).split(b"HTTP/1.1 200 OK\r\n")[1:]
    bodies = [json.loads(answer.partition(b"\r\n\r\n")[2]) for answer in answers]
    assert [score(boosters[0], ROW | {"minute": m}) for m in minutes] == [body["predictions"][0] for body in bodies]


def test_who_leaves_before_the_answer_hurts_nobody(service: Service, publish: Publish, tmp_path: Path) -> None:
    """Half of the clients cut their connections while they wait; the others are answered."""
    service.serve(load(publish(tmp_path, "v1.0")))
    body = json.dumps({"instances": [ROW]}).encode()
    request = b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body
    sockets = [service.connect() for _ in range(CLIENTS)]
    with service.busy():
        for number, connection in enumerate(sockets):
            connection.sendall(request)
            if number % 2:
                connection.close()
    assert {200} == {received(connection)[0] for connection in sockets[::2]}
    assert 200 == service.send("GET", "/health").status_code


@pytest.mark.parametrize("depth", [2, 200])
def test_any_number_of_rows_may_be_pipelined(service: Service, publish: Publish, tmp_path: Path, depth: int) -> None:
    """Also while others are connected: those that wait are taken up one after the other, to the last."""
    service.serve(load(publish(tmp_path, "v1.0")))
    others = [service.connect() for _ in range(TOGETHER)]
    body = json.dumps({"instances": [ROW]}).encode()
    request = b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    connection = service.connect()
    with service.busy():
        connection.sendall(depth * request + b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
    # all are answered, and then the connection ends, as the client said that it sends no more
    assert depth + 1 == everything(connection).count(b"HTTP/1.1 200 OK\r\n")
    for other in others:
        other.close()
