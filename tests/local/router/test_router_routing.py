"""What a request meets on its way in and out."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from router_harness import Task, ask

from shipway.core.errors import UsageError
from shipway.core.observations.observation import Side
from shipway.local.router import EnvironmentTopology, Router, ServiceRoutes, Topology
from shipway.local.router.runtime_socket import RuntimeSocket, parse_stat
from tests.waiting import wait_for


def test_paths_reach_their_service_unchanged(router: Router, start: Callable[..., Task], port: int) -> None:
    """`/api/*` goes to the backend, `/ml/*` to the model service, query and all."""
    router.set_tasks("prod", "blue", "backend-api", {"b": start("b").port})
    router.set_tasks("prod", "blue", "ml-model-service", {"m": start("m").port})
    found = [(answer["task"], answer["path"]) for answer in (ask(port, p).json for p in ("/api/a?x=1", "/ml/predict"))]
    assert [("b", "/api/a?x=1"), ("m", "/ml/predict")] == found


def test_exact_path_beats_pattern(router: Router, start: Callable[..., Task], port: int) -> None:
    """A route without `*` takes its one path from a wider pattern of another service."""
    wide = ServiceRoutes("wide", ("/*", "/deep/*"), "/ready", internal=False)
    narrow = ServiceRoutes("narrow", ("/health", "/deep/er/*"), "/ready", internal=False)
    changed = EnvironmentTopology("prod", port, None, (wide, narrow), 2)
    router.ensure_running(Topology((changed,)))
    router.set_tasks("prod", "blue", "wide", {"w": start("wide").port})
    router.set_tasks("prod", "blue", "narrow", {"n": start("narrow").port})
    paths = ("/", "/health", "/health/x", "/deep/x", "/deep/er/x")
    assert ["wide", "narrow", "wide", "wide", "narrow"] == [ask(port, path).json["task"] for path in paths]


def test_each_side_has_its_own_paths(router: Router, start: Callable[..., Task], port: int) -> None:
    """A service that only the candidate has takes no request of the clients who are still on stable."""
    whole = ServiceRoutes("whole", ("/*",), "/ready", internal=False)
    split = ServiceRoutes("split", ("/api/*",), "/ready", internal=False, sides=("green",))
    router.ensure_running(Topology((EnvironmentTopology("prod", port, None, (whole, split), 2),)))
    router.set_tasks("prod", "blue", "whole", {"b": start("blue-whole").port})
    assert ("blue-whole", 200) == ((answer := ask(port, "/api/x")).json["task"], answer.status)
    router.set_tasks("prod", "green", "whole", {"g": start("green-whole").port})
    router.set_tasks("prod", "green", "split", {"s": start("green-split").port})
    router.shift("prod", "green", 10_000)
    assert ["green-split", "green-whole"] == [ask(port, path).json["task"] for path in ("/api/x", "/x")]


def test_unknown_path_is_404(router: Router, port: int) -> None:
    """A path without a route answers 404 in the project's error shape and lists the routes."""
    answer = ask(port, "/nowhere", headers={"x-request-id": "abc"})
    assert (404, "not_found", "abc") == (answer.status, answer.json["error"]["code"], answer.json["request_id"])
    assert "/api/*, /ml/*" in answer.json["error"]["message"]
    assert "abc" == answer.headers["x-request-id"]


def test_side_without_tasks_is_503(router: Router, port: int) -> None:
    """Without a task the answer is 503, JSON, and says when to come back."""
    answer = ask(port)
    assert (503, "unavailable") == (answer.status, answer.json["error"]["code"])
    assert answer.headers["x-request-id"] == answer.json["request_id"]
    assert ("1", "application/json") == (answer.headers["retry-after"], answer.headers["content-type"])


def test_too_large_body_is_413(both: dict[Side, Task], port: int) -> None:
    """A body that announces more than the limit is refused before it is read."""
    answer = ask(port, method="POST", headers={"content-length": str(11 * 1024 * 1024)})
    assert (413, "too_large") == (answer.status, answer.json["error"]["code"])
    assert 0 == both["blue"].requests


def test_answers_tell_release_and_side(router: Router, both: dict[Side, Task], port: int) -> None:
    """Release and side come from the router, whatever the task claims; an unnamed release has no header."""
    assert ("blue", None) == _origin(port)
    router.name_release("prod", "blue", "r41")
    assert ("blue", "r41") == _origin(port)
    router.name_release("prod", "blue", None)
    assert ("blue", None) == _origin(port)


def test_client_cannot_choose_a_side(router: Router, both: dict[Side, Task], port: int) -> None:
    """Headers of ours in a request neither route it nor reach the task."""
    forged = {"x-shipway-side": "green", "X-Shipway-Release": "r1", "x-shipway-anything": "1"}
    answer = ask(port, headers=forged)
    assert ("blue", "blue") == (answer.json["task"], answer.headers["x-shipway-side"])
    assert [] == [name for name in answer.json["headers"] if name.startswith("x-shipway")]


def test_task_learns_who_asked(both: dict[Side, Task], port: int) -> None:
    """The task sees the client's address and protocol as the router saw them."""
    headers = ask(port, headers={"x-forwarded-for": "6.6.6.6", "x-forwarded-proto": "https"}).json["headers"]
    assert ("127.0.0.1", "http") == (headers["x-forwarded-for"], headers["x-forwarded-proto"])


@pytest.mark.parametrize("given", ["abc-1", "0af7651916cd43dd8448eb211c80319c:00f067aa0ba902b7", "a" * 128])
def test_sane_request_id_is_kept(both: dict[Side, Task], port: int, given: str) -> None:
    """A request's own id goes to the task and back."""
    answer = ask(port, headers={"x-request-id": given})
    assert (given, given) == (answer.headers["x-request-id"], answer.json["headers"]["x-request-id"].lower())


@pytest.mark.parametrize("given", [None, "", 'a"b', "a b", "a" * 129, "é"])
def test_other_request_ids_are_replaced(both: dict[Side, Task], port: int, given: str | None) -> None:
    """A missing or odd id is replaced by a new one, the same for task and client."""
    answer = ask(port, headers={} if given is None else {"x-request-id": given})
    made = answer.headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", made)
    assert made == answer.json["headers"]["x-request-id"]


@pytest.mark.parametrize("route", ["/api/* }\nbackend evil", "/a b", "api", "/*/x"])
def test_odd_routes_never_reach_the_file(route: str) -> None:
    """A route that is not a path is refused when the topology is made."""
    with pytest.raises(UsageError, match="route"):
        ServiceRoutes("backend-api", (route,), "/ready", internal=False)


@pytest.mark.parametrize("release", ["r1; shutdown sessions", "", "r1\nr2", "a" * 65])
def test_odd_release_names_are_refused(router: Router, release: str) -> None:
    """A release name that could be read as a command is refused."""
    with pytest.raises(UsageError, match="release name"):
        router.name_release("prod", "blue", release)


def test_green_talks_to_green(router: Router, start: Callable[..., Task]) -> None:
    """Each side's internal port leads to that side's tasks only."""
    for side in ("blue", "green"):
        router.set_tasks("prod", side, "ml-model-service", {side: start(side).port})
    ports = {side: router.internal_port("prod", side, "ml-model-service") for side in ("blue", "green")}
    assert {"blue": "blue", "green": "green"} == {s: ask(p, "/predict").json["task"] for s, p in ports.items()}


def test_unknown_names_are_told(router: Router) -> None:
    """An environment or service that is not there is named, with those that are."""
    with pytest.raises(UsageError, match="it has: prod"):
        router.shift("dev", "blue", 1)
    with pytest.raises(UsageError, match="it has: backend-api, ml-model-service"):
        router.set_tasks("prod", "blue", "nope", {})
    with pytest.raises(UsageError, match="no internal port"):
        router.internal_port("prod", "blue", "backend-api")


def _origin(port: int) -> tuple[str | None, str | None]:
    headers = ask(port).headers
    return headers.get("x-shipway-side"), headers.get("x-shipway-release")


def test_service_whose_checks_all_fail_is_still_tried(
    router: Router, both: dict[Side, Task], port: int, runtime: Path
) -> None:
    """When no task passes its check, requests go to the tasks all the same."""
    both["blue"].ready = 503
    haproxy = RuntimeSocket(runtime / "haproxy.sock")
    worker = haproxy.processes().worker

    def marked_down() -> bool:
        rows = parse_stat(haproxy.ask(worker, "show stat public.prod.blue.backend-api 4 -1"))
        return any(row["svname"] == "s1" and row["status"].startswith("DOWN") for row in rows)

    wait_for(marked_down, "the task is marked down")
    assert [200] * 5 == [ask(port).status for _ in range(5)]
