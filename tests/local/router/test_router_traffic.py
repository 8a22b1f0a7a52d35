"""What the router tells of what clients saw."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from router_harness import DEADLINE, Load, Loop, Task, ask

from shipway.core.observations.observation import Side
from shipway.local.router import Router
from shipway.local.router.access_log import KEPT_FAILURES, KEPT_LATENCIES, AccessLog, Line, parse
from tests.waiting import wait_for

GOOD = b"shipway prod green 200 -- 1500 POST /api/predict"


def test_requests_and_errors_are_counted_by_side(router: Router, both: dict[Side, Task], port: int) -> None:
    """Errors are 5xx answers; client errors and the other side's requests are none."""
    for status, times in ((200, 3), (404, 2), (500, 4)):
        both["blue"].status = status
        for _ in range(times):
            ask(port, "/api/predict", method="POST")
    traffic = router.traffic("prod")
    assert (9, 4) == (traffic["blue"].requests, traffic["blue"].errors)
    assert (0, 0) == (traffic["green"].requests, traffic["green"].errors)
    wait_for(lambda: router.traffic("prod")["blue"].worst == "POST /api/predict 500 ×4", "failures are known")


def test_requests_without_an_answer_are_errors(router: Router, start: Callable[..., Task], port: int) -> None:
    """A closed connection, an answer cut short and a side without tasks all count."""
    for task in (start("cut", cut=True), start("short", truncate=True)):
        router.set_tasks("prod", "blue", "backend-api", {task.name: task.port})
        _try(port)
    router.set_tasks("prod", "blue", "backend-api", {})
    for name in ("cut", "short"):
        router.forget_task("prod", "blue", "backend-api", name)
    _try(port)
    traffic = router.traffic("prod")["blue"]
    assert (3, 3) == (traffic.requests, traffic.errors)
    wait_for(lambda: router.traffic("prod")["blue"].worst.startswith("POST /api/predict "), "failures are known")


def test_internal_requests_are_not_what_clients_saw(router: Router, start: Callable[..., Task]) -> None:
    """The side's own calls of the model service leave the counters alone."""
    router.set_tasks("prod", "blue", "ml-model-service", {"m": start("m").port})
    assert 200 == ask(router.internal_port("prod", "blue", "ml-model-service"), "/predict").status
    assert 0 == router.traffic("prod")["blue"].requests


def test_unmatched_paths_belong_to_no_side(router: Router, port: int) -> None:
    """The router's own 404 speaks against nobody."""
    ask(port, "/nowhere")
    assert {(0, 0)} == {(t.requests, t.errors) for t in router.traffic("prod").values()}


def test_latencies_are_sampled_until_forgotten(router: Router, both: dict[Side, Task], port: int) -> None:
    """Answers bring a latency each at low traffic; forgetting starts anew, counters go on."""
    for _ in range(20):
        ask(port)
    wait_for(lambda: len(router.traffic("prod")["blue"].latencies) == 20, "20 latencies")
    assert all(0 < seconds < DEADLINE for seconds in router.traffic("prod")["blue"].latencies)
    both["blue"].status = 500
    ask(port)
    wait_for(lambda: router.traffic("prod")["blue"].worst, "the failure is known")
    router.forget_latencies("prod")
    traffic = router.traffic("prod")["blue"]
    assert ((), "", 21) == (traffic.latencies, traffic.worst, traffic.requests)


def test_absent_listener_costs_no_request(router: Router, both: dict[Side, Task], port: int) -> None:
    """Without anyone at the log's socket the router serves on."""
    router.close()
    assert [200] * 50 == [ask(port).status for _ in range(50)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD, Line("prod", "green", 0.0015, "")),
        (b"shipway prod blue 503 SC - GET /api/x", Line("prod", "blue", None, "GET /api/x 503")),
        (b"shipway prod blue 200 SD 9 GET /x", Line("prod", "blue", 0.000009, "GET /x 200, answer cut off")),
        (b"shipway prod blue 200 CD 900 GET /events", Line("prod", "blue", 0.0009, "")),
        (b"shipway prod blue 101 -- - GET /socket", Line("prod", "blue", None, "")),
        (b"shipway prod blue 200 -- - PUT /upload", Line("prod", "blue", None, "")),
        (b"shipway prod blue -1 CH - PUT /upload", Line("prod", "blue", None, "")),
        (b"shipway prod blue 408 cR - POST /x", Line("prod", "blue", None, "")),
        (b"shipway prod - 400 PR - <BADREQ> <BADREQ>", Line("prod", "-", None, "")),
        (b"shipway prod green 200 -- POST /api/predict", None),
        (b"shipway prod green 200 -- 1,5 GET /", None),
        ("shipway prod green 200 -- ² GET /".encode(), None),
    ],
)
def test_lines_are_understood(text: bytes, expected: Line | None) -> None:
    """A line gives side and failure, and a latency where the service alone made it: until the head of its answer."""
    assert expected == parse(text)


@given(st.one_of(st.binary(max_size=200), st.text(max_size=80).map(lambda t: GOOD[:18] + t.encode())))
def test_malformed_lines_are_ignored(data: bytes) -> None:
    """Whatever arrives, parsing answers a line or None."""
    parsed = parse(data)
    assert parsed is None or parsed.seconds is None or parsed.seconds >= 0


@pytest.fixture
def log(runtime: Path) -> Iterator[AccessLog]:
    """An access log that watches `prod`."""
    log = AccessLog(runtime / "log.sock")
    log.watch(["prod"])
    yield log
    log.close()


def test_memory_is_bounded(log: AccessLog, runtime: Path) -> None:
    """Only the latest latencies and so many kinds of failure are kept; junk and strangers are dropped."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(str(runtime / "log.sock"))
        for number in range(KEPT_LATENCIES + 100):
            sender.send(f"shipway prod green 200 -- {number} GET /".encode())
            if number < KEPT_FAILURES + 100:
                sender.send(f"shipway prod green 500 -- 1 GET /{number}".encode())
        for junk in (b"\xff\xfe", b"shipway", b"shipway other blue 200 -- 1 GET /", b"", b"x" * 5000):
            sender.send(junk)
        sender.send(b"shipway prod blue 200 -- 7000000 GET /last")
    wait_for(lambda: log.latencies("prod", "blue") == (7.0,), "the last line arrives")
    latencies = log.latencies("prod", "green")
    assert (len(latencies), latencies[-1]) == (KEPT_LATENCIES, (KEPT_LATENCIES + 99) / 1e6)


def test_sampling_keeps_the_log_thin(router: Router, both: dict[Side, Task], port: int, loop: Loop) -> None:
    """At a high rate only part of the good answers is logged."""
    load = Load(loop, port, clients=4)
    began = time.monotonic()
    load.wait_for(2000)
    load.stop()
    spent = time.monotonic() - began
    assert len(router.traffic("prod")["blue"].latencies) < 400 + 200 * spent


def _try(port: int) -> None:
    with contextlib.suppress(http.client.IncompleteRead):
        ask(port, "/api/predict", method="POST")
