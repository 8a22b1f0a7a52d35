"""Pages of other origins read the router's own errors, and a service may have any cut-off request sent again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from router_harness import Task, ask, topology

from shipway.local.router import Router, Topology
from tests.waiting import wait_for

PAGE = "capacitor://localhost"
ASKING = {"origin": PAGE, "access-control-request-method": "POST", "access-control-request-headers": "idempotency-key"}


def described(port: int) -> Topology:
    """The backend has pages on two origins, and takes every request twice; the model service has neither."""
    environment = topology(port).environments[0]
    backend, model = environment.services
    backend = replace(backend, origins=("https://localhost", PAGE), idempotent=True)
    return Topology((replace(environment, services=(backend, replace(model, ready="/ready"))),))


@pytest.fixture
def router(tmp_path: Path, runtime: Path, port: int) -> Iterator[Router]:
    router = Router(tmp_path / "router", runtime)
    router.ensure_running(described(port))
    yield router
    router.stop()


def test_a_page_reads_why_nothing_serves(router: Router, port: int) -> None:
    """503 with its body and Retry-After, after a preflight that lets the question through."""
    preflight = ask(port, method="OPTIONS", headers=ASKING)
    assert 200 == preflight.status
    assert (PAGE, "POST", "idempotency-key") == tuple(
        preflight.headers[f"access-control-allow-{name}"] for name in ("origin", "methods", "headers")
    )
    answer = ask(port, method="POST", headers={"origin": PAGE}, body="{}")
    assert (503, "unavailable", PAGE) == (
        answer.status, answer.json["error"]["code"], answer.headers["access-control-allow-origin"],
    )  # fmt: skip
    assert ("origin", "1") == (answer.headers["vary"], answer.headers["retry-after"])
    assert "retry-after" in answer.headers["access-control-expose-headers"]
    too_large = ask(port, method="POST", headers={"origin": PAGE, "content-length": "99999999"})
    assert (413, PAGE) == (too_large.status, too_large.headers["access-control-allow-origin"])


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/x", {"origin": "https://elsewhere.example"}), ("/ml/x", {"origin": PAGE}), ("/api/x", {}),
        ("/nowhere", {"origin": PAGE}),
    ],
)  # fmt: skip
def test_nobody_else_is_let_in(router: Router, port: int, path: str, headers: dict[str, str]) -> None:
    """Another origin, another service, no page at all: no header, and no preflight is allowed."""
    for method in ("GET", "OPTIONS"):
        answer = ask(port, path, method=method, headers={**headers, "access-control-request-method": "GET"})
        assert answer.status in (404, 503)
        assert [] == [name for name in answer.headers if name.startswith("access-control-")]


def test_what_a_service_answers_is_its_own(router: Router, port: int, start: Callable[..., Task]) -> None:
    """A preflight goes to it, and its status stays."""
    router.set_tasks("prod", "blue", "backend-api", {"one": start("one", status=405).port})
    wait_for(lambda: ask(port).status == 405)
    assert 405 == ask(port, method="OPTIONS", headers=ASKING).status


def test_a_request_that_was_cut_off_goes_to_another_task(router: Router, port: int, start: Callable[..., Task]) -> None:
    """Whatever it is, where the service says that nothing happens twice."""
    cut, good = start("cut", cut=True), start("good")
    router.set_tasks("prod", "blue", "backend-api", {"cut": cut.port, "good": good.port})
    answers = [ask(port, method="POST", body="{}") for _ in range(20)]
    assert [200] * 20 == [answer.status for answer in answers]
    assert cut.requests > 0
