"""What model services tell of their predictions, and what of it can be used."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.core.contract.distribution import Distribution, from_json
from shipway.core.observations.predictions import TaskPredictions
from shipway.core.releases.release import Artifact
from shipway.core.tasks import TaskSpec
from shipway.local.model_tasks.counters import all_predictions, counters_of, predictions_of
from shipway.local.tasks.supervisor import TaskStatus

SKETCH = {"count": 3, "sum": 0.9, "buckets": [[0.0, 0.0, 1], [0.25, 0.26, 0], [0.4, 0.41, 2]]}
COUNTERS: dict[str, Any] = {
    "epoch": "e1",
    "since": 1_795_000_000.0,
    "variants": [
        {"name": "v1-0", "version": "v1.0", "percent": 90.0, "requests": 3, "errors": 0, "rows": 3,
         "latency": SKETCH, "predictions": SKETCH},
        {"name": "v1-1", "version": "v1.1", "percent": 10.0, "requests": 0, "errors": 0, "rows": 0,
         "latency": SKETCH, "predictions": {"count": 0, "sum": 0, "buckets": []}},
    ],
    "shadow": None,
}  # fmt: skip
FOUND = TaskPredictions("t1", "e1", Distribution(3, 0.9, ((0.0, 0.0, 1), (0.25, 0.26, 0), (0.4, 0.41, 2))))


def test_the_version_of_the_release_is_picked() -> None:
    """Among variants only the one that the release names is compared."""
    assert FOUND == predictions_of(COUNTERS, "t1", "v1.0")
    assert TaskPredictions("t1", "e1", Distribution()) == predictions_of(COUNTERS, "t1", "v1.1")
    assert None is predictions_of(COUNTERS, "t1", "v1.2")


@pytest.mark.parametrize(
    "sketch",
    [
        {},
        {"count": 3, "sum": 0.9},
        {**SKETCH, "count": 4},
        {**SKETCH, "sum": float("nan")},
        {**SKETCH, "sum": "many"},
        {"count": 1, "sum": 1.0, "buckets": [[2.0, 1.0, 1]]},
        {"count": 1, "sum": 1.0, "buckets": [[0.0, float("inf"), 1]]},
        {"count": -1, "sum": 1.0, "buckets": [[0.0, 1.0, -1]]},
        {"count": 1.5, "sum": 1.0, "buckets": [[0.0, 1.0, 1.5]]},
        {"count": 2, "sum": 1.0, "buckets": [[1.0, 2.0, 1], [0.0, 1.0, 1]]},
        {"count": 2, "sum": 1.0, "buckets": [[0.0, 3.0, 1], [1.0, 2.0, 1]]},
        {"count": 2, "sum": 1.0, "buckets": [[0.0, 0.0, 1], [0.0, 0.0, 1]]},
        {"count": 1, "sum": 1.0, "buckets": [[0.0, 1.0]]},
        {"count": 0, "sum": 1.0, "buckets": 7},
    ],
)
def test_what_is_no_sketch_tells_nothing(sketch: Any) -> None:
    """A wrong figure is missing data, never a verdict."""
    variant = {**COUNTERS["variants"][0], "predictions": sketch}
    assert None is predictions_of({**COUNTERS, "variants": [variant]}, "t1", "v1.0")


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(list(COUNTERS) + list(SKETCH)), inner),
    max_leaves=20,
)


@given(json_values)
def test_whatever_a_service_answers_is_no_fault_of_ours(value: Any) -> None:
    """Any JSON is either predictions or nothing."""
    for counters in (
        value,
        {**COUNTERS, "variants": value},
        {**COUNTERS, "variants": [{"version": "v", "predictions": value}]},
    ):
        found = predictions_of(counters, "t", "v")
        assert found is None or found.predictions.count == sum(count for _, _, count in found.predictions.buckets)


def test_a_sketch_is_read_as_it_is() -> None:
    """Counts, sum and buckets, in their order."""
    assert FOUND.predictions == from_json(SKETCH)


def task(id: str, port: int) -> TaskStatus:
    """A task that listens on a port."""
    spec = TaskSpec(
        id=id, environment="dev", side="blue", service="ml", release="r1", artifact=Artifact("ml", "", ""), argv=(), env={},
        port=port, ready_path="/ready", start_timeout=1, drain_timeout=1,
    )  # fmt: skip
    return TaskStatus(spec, None, "ready", 0, 0.0)


def test_all_tasks_tell_or_none() -> None:
    """Half of the picture could be the half that looks well."""

    def read(ports: Sequence[int]) -> list[dict[str, Any] | None]:
        return [COUNTERS if port == 1 else None for port in ports]

    one, two = task("t1", 1), task("t2", 2)
    assert (FOUND,) == all_predictions([(one, "v1.0")], read)
    assert None is all_predictions([(one, "v1.0"), (two, "v1.0")], read)
    assert None is all_predictions([(one, "v1.2")], read)
    assert () == all_predictions([], read)


@pytest.fixture
def service() -> Iterator[int]:
    """A service that answers `/variants` with a long list."""
    body = json.dumps({**COUNTERS, "padding": "x" * 200_000}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "/variants"
            self.send_response(200 if known else 404)
            self.end_headers()
            self.wfile.write(body if known else b"{}")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def test_tasks_are_asked_side_by_side(service: int) -> None:
    """A long answer is read whole; who does not answer tells nothing."""
    told, silent = counters_of([service, 1])
    assert told is not None
    assert COUNTERS["variants"] == told["variants"]
    assert None is silent
