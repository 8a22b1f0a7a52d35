"""Tasks come, drain, die and go."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from router_harness import Task, ask

from shipway.core.errors import ShipwayError
from shipway.core.observations.observation import Side
from shipway.local.router import Router
from shipway.local.router.state import Slot, assign
from tests.waiting import wait_for


def test_draining_task_finishes_what_it_has(router: Router, start: Callable[..., Task], port: int) -> None:
    """A task that left takes no new request; its open one is counted until it is answered."""
    release = threading.Event()
    old, new = start("old", held=release), start("new")
    router.set_tasks("prod", "blue", "backend-api", {"old": old.port})
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(ask, port)
        wait_for(lambda: old.requests == 1, "the request arrives")
        router.set_tasks("prod", "blue", "backend-api", {"new": new.port})
        assert {"new"} == {ask(port).json["task"] for _ in range(20)}
        assert 1 == router.in_flight("prod", "blue", "backend-api", "old")
        release.set()
        assert (200, "old") == (slow.result().status, slow.result().json["task"])
    wait_for(lambda: router.in_flight("prod", "blue", "backend-api", "old") == 0, "nothing is in flight")
    router.forget_task("prod", "blue", "backend-api", "old")
    assert 0 == router.in_flight("prod", "blue", "backend-api", "old")


def test_internal_requests_count_as_in_flight(router: Router, start: Callable[..., Task]) -> None:
    """A draining model task is not free while its side's backend still waits for it."""
    release = threading.Event()
    task = start("m", held=release)
    router.set_tasks("prod", "blue", "ml-model-service", {"m": task.port})
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(ask, router.internal_port("prod", "blue", "ml-model-service"), "/predict")
        wait_for(lambda: task.requests == 1, "the request arrives")
        router.set_tasks("prod", "blue", "ml-model-service", {})
        assert 1 == router.in_flight("prod", "blue", "ml-model-service", "m")
        release.set()
        assert 200 == slow.result().status


def test_task_may_come_back(router: Router, both: dict[Side, Task], start: Callable[..., Task], port: int) -> None:
    """A draining task that is in the mapping again takes requests again."""
    other = start("other")
    router.set_tasks("prod", "blue", "backend-api", {"other": other.port})
    assert "other" == ask(port).json["task"]
    router.set_tasks("prod", "blue", "backend-api", {"blue": both["blue"].port})
    assert 200 == ask(port).status


def test_dead_task_costs_no_request(router: Router, start: Callable[..., Task], port: int) -> None:
    """Requests that meet a refused connection go to another task, POST included."""
    dead, alive = start("dead"), start("alive")
    router.set_tasks("prod", "blue", "backend-api", {"dead": dead.port, "alive": alive.port})
    dead.kill()
    assert {(200, "alive")} == {(a.status, a.json["task"]) for a in (ask(port, method="POST") for _ in range(40))}


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [("GET", {}, {200}), ("POST", {"idempotency-key": "k"}, {200}), ("POST", {}, {200, 502})],
)
def test_only_harmless_requests_are_sent_twice(
    router: Router,
    start: Callable[..., Task],
    port: int,
    method: str,
    headers: dict[str, str],
    expected: set[int],
) -> None:
    """A task that closes without an answer is retried elsewhere unless the request might act twice."""
    tasks = {"cut": start("cut", cut=True), "good": start("good")}
    router.set_tasks("prod", "blue", "backend-api", {name: task.port for name, task in tasks.items()})
    assert expected == {ask(port, method=method, headers=headers).status for _ in range(40)}


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("internal", [True, False])
def test_requests_wait_while_every_task_is_dead(
    router: Router, start: Callable[..., Task], port: int, internal: bool, told: bool
) -> None:
    """When all tasks of a service die at once, requests wait until one is back, whether or not the router was told."""
    dead = [start(f"dead{number}") for number in range(2)]
    router.set_tasks("prod", "blue", "ml-model-service", {task.name: task.port for task in dead})
    target = router.internal_port("prod", "blue", "ml-model-service") if internal else port
    assert 200 == ask(target, "/ml/x").status
    for task in dead:
        task.kill()
    if told:
        router.set_tasks("prod", "blue", "ml-model-service", {})
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(ask, target, "/ml/x", method="POST") for _ in range(4)]
        assert not any(answer.done() for answer in waiting)
        back = start("back")
        router.set_tasks("prod", "blue", "ml-model-service", {"back": back.port})
        assert [(200, "back")] * 4 == [(a.result().status, a.result().json["task"]) for a in waiting]


def test_side_without_any_task_does_not_let_requests_wait(router: Router, both: dict[Side, Task], port: int) -> None:
    """Where no task can come back the answer is 503 at once."""
    router.set_tasks("prod", "blue", "backend-api", {})
    router.forget_task("prod", "blue", "backend-api", "blue")
    began = time.monotonic()
    assert 503 == ask(port).status
    # a request that waits for a task waits for five seconds
    assert time.monotonic() - began < 4.5


@pytest.mark.parametrize(("method", "expected", "times"), [("GET", 200, 2), ("POST", 502, 1)])
def test_task_that_dies_in_the_middle_of_its_answers_head(
    router: Router, port: int, method: str, expected: int, times: int
) -> None:
    """A GET is sent again; a POST, which it may have executed, is answered 502 and not repeated."""
    with socket.create_server(("127.0.0.1", 0)) as dying:
        router.set_tasks("prod", "blue", "backend-api", {"dying": dying.getsockname()[1]})
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(ask, port, method=method)
            heads = [b"HTTP/1.1 200 OK\r\ncontent-le", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"]
            dying.settimeout(0.05)
            while not answer.done():
                with contextlib.suppress(TimeoutError):
                    connection, _ = dying.accept()
                    with connection:
                        asked = connection.recv(4000)
                        connection.sendall(heads.pop(0) if b" /api/x " in asked else b"HTTP/1.1 200 OK\r\n\r\n")
            assert (expected, 2 - times) == (answer.result().status, len(heads))


def test_tasks_that_close_idle_connections_cost_no_request(
    router: Router, start: Callable[..., Task], port: int
) -> None:
    """A connection that the task closed after its answer, unannounced, never surfaces."""
    task = start("once", once=True)
    router.set_tasks("prod", "blue", "backend-api", {"once": task.port})
    assert [200] * 100 == [ask(port).status for _ in range(100)]


def test_slot_serves_its_next_task(router: Router, start: Callable[..., Task], port: int) -> None:
    """Task after task fits into the same few slots, each reached at its own address."""
    for number in range(12):
        task = start(f"t{number}")
        router.set_tasks("prod", "blue", "backend-api", {task.name: task.port})
        assert {task.name} == {ask(port).json["task"] for _ in range(4)}
        for gone in range(number):
            router.forget_task("prod", "blue", "backend-api", f"t{gone}")


def test_full_pool_is_told(router: Router) -> None:
    """A task too many is refused with the reason, and nothing changes."""
    router.set_tasks("prod", "blue", "backend-api", {f"t{n}": 1000 + n for n in range(4)})
    with pytest.raises(ShipwayError, match="no room for task new: all 4 slots are taken, 4 of them by tasks that"):
        router.set_tasks("prod", "blue", "backend-api", {"new": 2000})


def test_slots_keep_their_tasks() -> None:
    """Staying tasks keep their slot, leaving ones drain in theirs, new ones take the lowest free."""
    before = {1: Slot("a", 10), 2: Slot("b", 20)}
    after = assign(before, {"b": 20, "c": 30}, capacity=4)
    assert {1: Slot("a", 10, draining=True), 2: Slot("b", 20), 3: Slot("c", 30)} == after
