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


STEPS = [
    {"name": "prepare", "digest": "a" * 64, "seconds": 2.0, "reused": True, "why": "nothing has changed since run 6"},
    {"name": "train", "digest": "b" * 64, "seconds": 9.5, "reused": False, "why": "changed since run 6: parameters"},
]
TRIALS = [
    {"number": 0, "state": "complete", "parameters": {"leaves": "31"}, "brier": 0.15},
    {"number": 1, "state": "pruned", "parameters": {"leaves": "5"}, "brier": None},
    {"number": 2, "state": "complete", "parameters": {"leaves": "63"}, "brier": 0.14},
]


def told(kind: str | None = "promote", *reasons: str, id: str = "7", **changes: Any) -> dict[str, Any]:
    """What the platform tells of a training that the gate judged so; None: it came to no gate."""
    decision = None if kind is None else {"kind": kind, "reasons": [*reasons]}
    window = {"begin": "2013-01", "end": "2013-09"}
    training = {
        "decision": decision, "window": window, "champion": "v1.0", "version": "v1.1", "steps": copy.deepcopy(STEPS)
    }  # fmt: skip
    run = {
        "id": id, "status": "succeeded", "stage": "register", "reason": "", "commit": "c1", "by": "ann", "why": "drift"
    }  # fmt: skip
    return {
        "run": run, "training": training, "evaluation": copy.deepcopy(EVALUATION), "latency": None, "tuning": None,
        "analysis": BIAS, "violations": None, "missing": [],
    } | changes  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "reasons", "sign", "words"),
    [
        ("promote", ("surely better",), "✔", ["the gate says promote: surely better"]),
        ("no evidence", ("not surely better",), "…", ["the gate says no evidence: not surely better"]),
        ("hold", ("12 of 1,000 labels known",), "…", ["the gate says hold: 12 of 1,000 labels known"]),
        ("refuse", ("worse", "slow"), "✘", ["the gate says refuse: 2 checks failed", "worse", "slow"]),
    ],
)
def test_a_run_s_page_begins_with_what_the_gate_said(tmp_path, kind, reasons, sign, words):
    """A check that failed is the first thing that one reads."""
    assert [sign, *words] == shown(tmp_path, "training", told(kind, *reasons))[: 1 + len(words)]


def test_a_run_s_page_has_challenger_beside_champion_and_why_each_step_ran(tmp_path):
    words = shown(tmp_path, "training", told("promote", "better"))
    assert {"challenger", "champion", "brier_difference", "v1.1", "changed since run 6: parameters"} <= {*words}
    assert "9.5 s" == words[words.index("steps took") + 1]


def test_a_run_that_came_to_no_gate_says_why(tmp_path):
    """Without figures; what was deleted is named."""
    document = told(None, evaluation=None, analysis=None, missing=["evaluation.json was removed"])
    document["run"] |= {"status": "failed", "stage": "train", "reason": "train failed: no rows"}
    words = shown(tmp_path, "training", document)
    assert ["✘", "failed at train, before the gate", "train failed: no rows"] == words[:3]
    assert "evaluation.json was removed." in words


def test_a_search_is_told_with_what_it_gained(tmp_path):
    """And that it can't be repeated, where it can't."""
    tuning = {"trials": TRIALS, "first": TRIALS[0], "best": TRIALS[2], "reproducible": False}
    words = shown(tmp_path, "training", told("promote", "better", tuning=tuning))
    assert any("3 trials, 1 given up early. Several at a time" in word for word in words)
    assert ["leaves", "31", "63"] == words[(at := words.index("leaves")) : at + 3]


def test_bias_that_has_become_worse_is_marked_in_a_run_s_page(tmp_path):
    violations = [{"facet": "carrier", "facet_value": "MQ,EV", "metric_name": "DPL", "description": "d"}]
    words = shown(tmp_path, "training", told("promote", "better", violations=violations))
    assert any("1 surely farther from no bias than the champion's training found" in word for word in words)
    assert '<tr class="mark"><td>DPL</td>' in (tmp_path / "out.html").read_text()


def test_two_trainings_on_the_same_rows_say_which_is_better(tmp_path):
    """And what they share."""
    better = told("promote", "better", id="8")
    better["evaluation"]["candidate"]["brier"]["value"] = 0.13
    better["training"]["steps"][1]["digest"] = "c" * 64
    words = shown(tmp_path, "pair", {"a": told("no evidence", "not surely better"), "b": better})
    assert words[1].startswith("run 8 has the lower Brier score on the same rows: 0.13000, run 7 0.14000")
    assert ["prepare", "a" * 12, "a" * 12, "yes"] == words[(at := words.index("prepare")) : at + 4]
    assert ["train", "b" * 12, "c" * 12, "no"] == words[(at := words.index("train")) : at + 4]


def test_two_trainings_on_other_rows_are_not_compared(tmp_path):
    other = told("promote", "better", id="8")
    other["training"]["steps"][0]["digest"] = "d" * 64
    words = shown(tmp_path, "pair", {"a": told("promote", "better"), "b": other})
    assert "learned from and tested on other data: their figures cannot be compared" == words[1]


KNOWN = {"metadata": CARD, "latest": True, "serves": ["dev", "prod"], "served": [], "probations": [], "training": None}


def test_a_version_s_card_has_where_it_served_and_what_its_training_found(tmp_path):
    stay = {"environment": "prod", "release": "r7", "since": 0.0, "until": None, "by": "mei"}
    words = shown(tmp_path, "version", KNOWN | {"served": [stay], "training": told()})
    assert ["prod", "r7", "1970-01-01 00:00 UTC", "now", "mei"] == words[(at := words.index("prod")) : at + 5]
    assert {"dev, prod", "Beside the champion", "carrier = MQ,EV"} <= {*words}


def test_a_card_of_a_version_that_nobody_trained_here_says_what_is_known(tmp_path):
    """Its metadata, and that there is no more."""
    metadata = {name: value for name, value in CARD.items() if name != "lineage"}
    words = shown(tmp_path, "version", KNOWN | {"metadata": metadata})
    assert any(word.startswith("No training here made it") for word in words)
    assert {"origin", "0.74"} <= {*words}


def test_a_page_comes_as_data_as_well(tmp_path):
    """With every row, and its failed checks first."""
    (tmp_path / "in.json").write_text(json.dumps(told("refuse", "worse")))
    assert 0 == main(["training", *(str(tmp_path / name) for name in ("in.json", "out.html", "out.json"))])
    found = json.loads((tmp_path / "out.json").read_bytes())
    assert ("Training run 7", "bad", ["worse"]) == (found["title"], found["state"], found["failed"])
    steps = next(section for section in found["sections"] if section["title"] == "Steps")
    assert ["prepare", "a" * 12, 2.0, "used again", "nothing has changed since run 6"] == steps["tables"][0]["rows"][0]


@pytest.mark.parametrize("kind", ["training", "pair", "version"])
def test_other_pages_need_no_network_and_no_script_and_are_small(tmp_path, kind):
    """Whatever their texts are, and however long."""
    hostile = "<script>alert('x')</script>" * 200
    document = told("refuse", *[hostile] * 300)
    document["analysis"] = copy.deepcopy(BIAS)
    facets = document["analysis"]["post_training_bias_metrics"]["facets"]
    facets["carrier"] = [{"value_or_threshold": f"{n} {hostile}", "metrics": [METRIC] * 13} for n in range(300)]
    given = {
        "training": document,
        "pair": {"a": document, "b": document},
        "version": KNOWN | {"training": document},
    }[kind]
    words = shown(tmp_path, kind, given)
    text = (tmp_path / "out.html").read_text()
    assert len(text.encode()) <= 1_000_000
    page = Words(text)
    assert (set(), []) == (page.tags & {"script", "link", "iframe", "img", "object"}, page.addresses)
    assert "prefers-color-scheme: dark" in text
    assert words
