"""Pages of files that a training's steps and the model bucket hold."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from test_reports import Words

from model_monitoring.reports.__main__ import main


def interval(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high, "deviation": 0.001}


MODEL = {
    "brier": interval(0.14, 0.13, 0.15), "auc": interval(0.77, 0.76, 0.78), "calibration_error": 0.02, "error": None,
}  # fmt: skip
EVALUATION: dict[str, Any] = {
    "window": {"first": "2013-09-01", "last": "2013-09-30"}, "rows": 27010, "positives": 3565, "days": 30,
    "confidence": 0.95, "draws": 2000, "candidate": MODEL, "champion": {"version": "v1.0", **MODEL},
    "comparison": {"brier_difference": interval(-0.002, -0.003, -0.001), "error": None},
}  # fmt: skip
METRIC = {"name": "DPL", "description": "Difference in labels", "value": 0.063, "low": 0.05, "high": 0.07}
NULL = {"name": "CDDL", "description": "Conditional", "value": None, "error": "there is no group variable"}
FACETS = {"label": "late", "facets": {"carrier": [{"value_or_threshold": "MQ,EV", "metrics": [METRIC, NULL]}]}}
BIAS: dict[str, Any] = {
    "note": "service equity, not persons", "rows": 27010, "threshold": 0.5,
    "pre_training_bias_metrics": FACETS, "post_training_bias_metrics": FACETS,
}  # fmt: skip
CARD: dict[str, Any] = {
    "version": "v1.2", "model_format": "lightgbm-text", "trained_at": "2013-10-01", "author": "ann",
    "approval": {"status": "Approved", "by": "mei", "why": "better in autumn"},
    "approval_history": [{"status": "Approved", "by": "mei", "at": "2026-11-02", "why": "better in autumn"}],
    "metrics": {"auc": 0.74}, "lineage": {"commit": "c1", "gate": {"verdict": "promote"}},
    "feature_schema": {
        "features": [{"name": "origin", "type": "category", "nullable": False}],
        "output": {"name": "probability", "description": "of being late", "threshold": 0.5},
    },
}  # fmt: skip


def shown(tmp_path: Path, kind: str, document: dict[str, Any]) -> list[str]:
    """The page's words, from its verdict on."""
    (tmp_path / "in.json").write_text(json.dumps(document))
    assert 0 == main([kind, str(tmp_path / "in.json"), str(tmp_path / "out.html")])
    words = Words((tmp_path / "out.html").read_text()).words
    return words[next(place for place, word in enumerate(words) if word in "✔✘…") :]


@pytest.mark.parametrize(
    ("low", "high", "sign", "said"),
    [
        (-0.003, -0.001, "✔", "surely better than the champion: Brier score -0.0020 [-0.0030, -0.0010]"),
        (0.001, 0.003, "✘", "surely worse than the champion"),
        (-0.001, 0.001, "…", "no evidence that it is better or worse"),
        (None, None, "…", "not compared"),
    ],
)
def test_a_training_run_says_whether_it_is_better(tmp_path, low, high, sign, said):
    """By what the draws of days leave."""
    document = copy.deepcopy(EVALUATION)
    document["comparison"]["brier_difference"] |= {"low": low, "high": high}
    words = shown(tmp_path, "evaluation", document)
    assert sign == words[0]
    assert words[1].startswith(said)


def test_a_training_run_without_a_champion_says_so(tmp_path):
    document = EVALUATION | {
        "champion": None,
        "comparison": {"brier_difference": None, "error": "there is no champion"},
    }
    assert "not compared: there is no champion" == shown(tmp_path, "evaluation", document)[1]


def test_bias_says_what_could_not_be_computed_and_why(tmp_path):
    """The others are there; and what the groups are."""
    words = shown(tmp_path, "bias", BIAS)
    assert {"service equity, not persons", "2 of 4", "there is no group variable", "0.063"} <= {*words}


@pytest.mark.parametrize(
    ("violations", "sign", "said"),
    [
        (None, "…", "2 metrics, held to no baseline"),
        ([], "✔", "2 metrics, none surely worse than the baseline's"),
        (
            [{"facet": "carrier", "facet_value": "MQ,EV", "metric_name": "DPL", "description": "was 0.01"}],
            "✘",
            "1 metric is surely farther from no bias than the baseline's",
        ),
    ],
)
def test_bias_is_held_to_the_violations_that_lie_beside_it(tmp_path, violations, sign, said):
    """The step writes them where it has a baseline; without one nothing is said of it."""
    if violations is not None:
        (tmp_path / "constraint_violations.json").write_text(json.dumps({"violations": violations}))
    assert [sign, said] == shown(tmp_path, "bias", BIAS)[:2]


def test_a_card_says_who_decided_and_where_it_comes_from(tmp_path):
    words = shown(tmp_path, "card", CARD)
    assert ["✔", "approved by mei: better in autumn"] == words[:2]
    assert {"gate.verdict", "promote", "probability – of being late", "origin"} <= {*words}


def test_what_is_no_such_file_is_said(tmp_path, capsys):
    """And other words than those that there are."""
    (tmp_path / "in.json").write_text("[1]")
    assert 1 == main(["bias", str(tmp_path / "in.json"), str(tmp_path / "out.html")])
    assert "can't be shown as bias" in capsys.readouterr().err
    assert (2, 2) == (main([]), main(["poem", "a", "b"]))
