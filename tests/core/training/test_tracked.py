"""What an experiment tracker is told of a training."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from shipway.core.releases.run import Run
from shipway.core.training.champion import Decision
from shipway.core.training.evidence import Evidence
from shipway.core.training.steps import StepDone
from shipway.core.training.tracked import tracked
from shipway.core.training.training_run import Search, TrainingRun
from shipway.core.training.windows import Window

RUN = Run("7", "train", "c1", "train", None, (), "ann", 100.0, "refused", ended=160.0, why="drift")
PREPARED = StepDone(
    "prepare", "p", 2.0, False, made_of={"program": "x", "options": "y", "flights": "f1", "weather": "w1"}
)
TRAINING = TrainingRun(
    "7", window=Window("2013-01", "2013-07"), champion="v1.0", steps=(PREPARED,),
    found=Evidence(100, 30, 9, True, bias={"DPPL of carrier=MQ": 0.1, "CDDL of carrier=MQ": None}),
    decision=Decision("refuse", ("surely worse", "too slow")),
)  # fmt: skip
INTERVAL = {"value": 0.14, "low": 0.13, "high": 0.15, "deviation": 0.001}
FOUND: dict[str, Any] = {
    "evaluation.json": {
        "rows": 100, "positives": 30, "days": 9,
        "candidate": {"brier": INTERVAL, "auc": None, "error": None}, "champion": {"version": "v1.0", "brier": INTERVAL},
        "comparison": {"brier_difference": {"value": 0.002, "low": 0.001, "high": 0.003}, "error": None},
    },
    "latency.json": {"ratio": 1.5},
}  # fmt: skip


def test_figures_with_their_bounds_are_metrics() -> None:
    """What cannot be computed is left out; the champion's stand beside the challenger's."""
    found = tracked("ontime", RUN, TRAINING, {}, FOUND).metrics
    assert (0.14, 0.13, 0.15) == tuple(found[f"brier{end}"] for end in ("", ".low", ".high"))
    assert (0.14, 0.002, 1.5) == (found["champion.brier"], found["brier_difference"], found["latency_ratio"])
    assert (0.1, 100, 2.0) == (found["bias.DPPL of carrier=MQ"], found["rows"], found["seconds.prepare"])
    assert {"auc", "bias.CDDL of carrier=MQ", "champion.version", "error"}.isdisjoint(found)
    assert all(math.isfinite(value) for value in found.values())


def test_a_verdict_is_a_result_whatever_it_is() -> None:
    """What came to none has failed."""
    assert "FINISHED" == tracked("ontime", RUN, TRAINING, {}, {}).status
    failed = tracked(
        "ontime", replace(RUN, status="failed", reason="no rows"), replace(TRAINING, decision=None), {}, {}
    )
    assert ("FAILED", "no rows") == (failed.status, failed.tags["gate.reasons"])


def test_commit_verdict_and_data_are_tags() -> None:
    """The data by one digest of all tables, and each by its own."""
    tags = tracked("ontime", RUN, TRAINING, {}, {}).tags
    assert ("c1", "refuse", "surely worse; too slow", "v1.0") == tuple(
        tags[name] for name in ("commit", "gate.verdict", "gate.reasons", "champion")
    )
    assert ("f1", "w1") == (tags["data.flights"], tags["data.weather"])
    other = replace(TRAINING, steps=(replace(PREPARED, made_of={**PREPARED.made_of, "program": "z"}),))
    assert tags["data.digest"] == tracked("ontime", RUN, other, {}, {}).tags["data.digest"]


def test_parameters_of_a_search_take_the_place_of_those_given() -> None:
    """And the months are parameters."""
    search = Search(3, 1, {"leaves": "63"}, 0.14, 0.15, reproducible=True)
    found = tracked("ontime", RUN, replace(TRAINING, search=search), {"rounds": 200, "leaves": 31}, {})
    assert {"rounds": "200", "leaves": "63"}.items() <= found.parameters.items()
    assert ("2013-01", "2013-07") == tuple(found.parameters[f"window.{end}"] for end in ("begin", "end"))
    assert (0.14, 0.15) == (found.metrics["search.brier"], found.metrics["search.brier_without"])


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (RUN, True),
        (replace(RUN, why="again", status="succeeded"), True),
        (replace(RUN, id="8"), False),
        (replace(RUN, created=101.0), False),
    ],
)
def test_the_key_names_a_run_for_ever(other: Run, same: bool) -> None:
    """Whatever becomes of it; another run has another one, in another checkout as well."""
    assert same == (tracked("ontime", RUN, TRAINING, {}, {}).key == tracked("ontime", other, TRAINING, {}, {}).key)
