"""What tasks answer under `/variants`, read as figures."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.core.contract.wanted import parse
from shipway.core.experiments.figures import TaskFigures
from shipway.core.releases.release import Artifact
from shipway.core.tasks import TaskSpec
from shipway.local.model_tasks.figures import figures_of
from shipway.local.tasks.supervisor import TaskStatus
from tests.parts import ROOT

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def task() -> TaskStatus:
    """A task named `one`."""
    spec = TaskSpec(
        id="one", environment="prod", side="blue", service="ml", release="r1", artifact=Artifact("ml", "", ""), argv=(),
        env={}, port=1, ready_path="/ready", start_timeout=1, drain_timeout=1,
    )  # fmt: skip
    return TaskStatus(spec, None, "ready", 0, 0.0)


def read(answer: Any) -> TaskFigures:
    """The figures in a task's answer."""
    (figures,) = figures_of([task()], lambda ports: [answer for _ in ports])
    return figures


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The model service's own counters: what it writes is what is read here."""
    monkeypatch.syspath_prepend(str(ROOT / "ml-model-service" / "src"))
    return importlib.import_module("ml_model_service.versions.counters")


def test_what_the_service_counts_is_what_is_read(service: Any) -> None:
    """To the last request, prediction and row of the shadow."""
    shadow = importlib.import_module("ml_model_service.versions.shadow")
    text = '{"version": "v1.1", "split": {"v1.2": 10}, "shadow": {"version": "v1.3", "percent": 50}}'
    variants = service.Variants(parse(text))
    stable, candidate = variants.all
    for number in range(1000):
        stable.answered(0.001 * number, [number / 1000])
    candidate.failed(2.0)
    found = shadow._Comparison()
    found.add([0.2, 0.4, 0.6], [0.2, 0.6, 0.6], 0.5)
    answer = variants.to_json({"version": "v1.3", "percent": 50.0, "dropped": 7, **found.to_json()})
    figures = read(json.loads(json.dumps(answer)))
    assert ("one", variants.epoch, {"v1.1": 90.0, "v1.2": 10.0}, "v1.3") == (
        figures.task, figures.epoch, figures.shares, figures.shadow,
    )  # fmt: skip
    assert figures.figures is not None
    one, two, listened = figures.figures.of("v1.1"), figures.figures.of("v1.2"), figures.figures.shadow
    assert (1000, 0, 1000, 1000) == (one.requests, one.errors, one.latency.count, one.predictions.count)
    assert pytest.approx(0.4995) == one.predictions.mean
    assert (1, 1, 1, 0) == (two.requests, two.errors, two.latency.count, two.predictions.count)
    assert (3, 1, 0, 7) == (listened.compared, listened.disagreements, listened.failed, listened.dropped)
    assert pytest.approx(0.2) == listened.difference_sum == listened.largest_difference
    assert (3, 3) == (listened.predictions.count, listened.stable_predictions.count)


def test_a_task_that_tells_nothing_is_listed_without_figures() -> None:
    """It is there all the same."""
    assert TaskFigures("one") == read(None)


@given(JSON, st.sampled_from(["variants", "epoch", "shadow", "percent", "requests", "latency", "predictions"]))
def test_whatever_a_task_says_breaks_nothing(value: Any, key: str) -> None:
    """An answer that is not as agreed tells nothing."""
    sketch = {"count": 0, "sum": 0.0, "buckets": []}
    variant = {
        "version": "v1.1", "percent": 100.0, "requests": 0, "errors": 0, "latency": sketch, "predictions": sketch,
    }  # fmt: skip
    answer: dict[str, Any] = {"epoch": "e", "variants": [variant], "shadow": None}
    assert read(answer).figures is not None
    (variant if key in variant else answer)[key] = value
    figures = read(answer)
    assert "one" == figures.task
    assert (figures.figures is None) == (figures.shares is None)
