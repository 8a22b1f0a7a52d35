"""Model versions as lines of text: the list, one in full, a decision, a comparison."""

from __future__ import annotations

from typing import Any

import pytest

from shipway.cli.render.comparison import comparison_lines
from shipway.cli.render.models import baked_lines, decided_lines, model_lines, model_table
from tests.cli.answers import NOW, probation

Json = dict[str, Any]


def test_the_list_marks_the_latest() -> None:
    """One line for each version, with its state."""
    model = {
        "version": "v1.1", "approval_status": "approved", "metrics": {"auc": 0.76123}, "trained_at": "2026-11-23",
        "author": "ada", "digest": "0123456789", "serves": ["dev", "prod"], "probation": ["prod"],
    }  # fmt: skip
    assert [
        "  VERSION  STATE     METRICS     TRAINED     AUTHOR  DIGEST  SERVES",
        "→ v1.1     approved  auc 0.7612  2026-11-23  ada     012345  dev, prod (on probation)",
        "→ latest: new releases take v1.1",
    ] == model_table({"latest": "v1.1", "models": [model]})


def test_a_version_in_full() -> None:
    """State and places first, then the metadata, decisions, where it served, and its features; no golden requests."""
    metadata = {
        "name": "delay", "version": "v1.0", "metrics": {"auc": 0.76}, "golden": [1, 2],
        "conversion": {"from_format": "sklearn-pickle", "largest_difference": 1e-9}, "tags": {"team": "delays"},
        "files": {"model.txt": {"sha256": "ab" * 32, "bytes": 700_000}},
        "approval": {"status": "rejected", "by": "ann", "at": "2026-11-23T07:00:00Z", "why": "biased"},
        "approval_history": [
            {"status": "approved", "by": "mei", "at": "2026-11-22T07:00:00Z", "why": "better"},
            {"status": "rejected", "by": "ann", "at": "2026-11-23T07:00:00Z", "why": "biased"},
        ],
        "feature_schema": {
            "features": [
                {"name": "temp", "type": "number", "minimum": -50, "maximum": None, "nullable": True},
                {"name": "carrier", "type": "category", "values": [str(n) for n in range(10)]},
            ]
        },
    }  # fmt: skip
    served = [
        {"environment": "prod", "release": "r1", "since": NOW - 60, "until": NOW - 30, "by": "ada"},
        {"environment": "dev", "release": "r2", "since": NOW - 10, "until": None, "by": "bob"},
    ]
    assert [
        "delay v1.0: rejected; latest: new releases take it; serves dev",
        "  metrics",
        "    auc: 0.76",
        "  conversion",
        "    from_format: sklearn-pickle",
        "    largest_difference: 1e-09",
        "  tags",
        "    team: delays",
        "",
        "FILE       BYTES    SHA256",
        f"model.txt  700,000  {'ab' * 32}",
        "",
        "DECIDED               BY   STATE     WHY",
        "2026-11-22T07:00:00Z  mei  approved  better",
        "2026-11-23T07:00:00Z  ann  rejected  biased",
        "",
        "SERVED IN  RELEASE  FROM      UNTIL     BY",
        "prod       r1       11:05:40  11:06:10  ada",
        "dev        r2       11:06:30  now       bob",
        "",
        "PROBATION IN  OF               FROM      UNTIL  OUTCOME  WHY",
        "prod          v1.2 after v1.1  11:05:40  now    goes on  812 of 1,000 labels known",
        "",
        "FEATURE  TYPE      ALLOWED                         NULLABLE",
        "temp     number    -50 to …                        yes",
        "carrier  category  0, 1, 2, 3, 4, 5, 6, 7, … (10)  no",
    ] == model_lines(
        {"metadata": metadata, "latest": True, "serves": ["dev"], "served": served, "probations": [probation()]}, NOW
    )


def decided(status: str, **changes: Any) -> Json:
    """An answer to a decision on v1.2."""
    model = {
        "version": "v1.2", "approval_status": status, "approval_by": "ann", "approval_at": "2026", "approval_why": "why",
    }  # fmt: skip
    return {
        "model": model, "changed": True, "serves": [], "latest": False, "run": None, "not_promoted": None, **changes,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "lines"),
    [
        (decided("approved"), ["✔ v1.2 is approved", "  Use it: shipway model promote v1.2"]),
        (decided("approved", serves=["dev"]), ["✔ v1.2 is approved"]),
        (decided("approved", changed=False), ["· v1.2 was approved already, by ann on 2026: why"]),
        (
            decided("approved", not_promoted={"what": "a rollout is under way in dev", "fix": "wait"}),
            ["✔ v1.2 is approved", "  ‖ not promoted: a rollout is under way in dev", "  Next: wait"],
        ),
        (decided("archived"), ["✔ v1.2 is archived: promotions and new releases refuse it"]),
        (
            decided("rejected", serves=["dev", "prod"], latest=True),
            [
                "✔ v1.2 is rejected: promotions and new releases refuse it",
                "  ‖ it is the latest: nothing can be deployed until another version is promoted",
                "  ‖ it still serves dev, prod; nothing was taken away",
                "  Next: shipway model rollback, or shipway model promote VERSION",
            ],
        ),
        (
            decided("rejected", serves=["prod"]),
            [
                "✔ v1.2 is rejected: promotions and new releases refuse it",
                "  ‖ it still serves prod; nothing was taken away",
                "  Next: shipway model split --off --env ENV where it is a candidate; else shipway model rollback, "
                "or shipway model promote VERSION",
            ],
        ),
    ],
)
def test_a_decision_says_what_is_to_be_done_next(answer: Json, lines: list[str]) -> None:
    """Above all for a rejected version that still serves."""
    assert lines == decided_lines(answer)


def test_rows_that_both_held_out_are_nobodys_own() -> None:
    """As where two trainings hold out the same month, the usual case."""
    scores = comparison()["scores"] | {"rows": {"count": 2000, "a": 2000, "b": 0, "both": 2000, "left_out": 0}}
    assert "on the same 2,000 held-out rows (of both)" in comparison_lines(comparison(scores=scores))


def test_baking_says_what_shipway_yaml_lacks() -> None:
    """The way on is to commit and deploy."""
    answer = {"model": {"version": "v1.2"}, "folder": "ml/models", "to_describe": "services.ml: `baked: models`"}
    assert [
        "✔ model v1.2 lies in ml/models",
        "  shipway.yaml does not serve it from there yet: services.ml: `baked: models`",
        '  Next: git add ml/models; git commit --message "Bake in model v1.2"; shipway deploy',
    ] == baked_lines(answer)


def scored(mean: float, brier: float, micros: float) -> Json:
    """A version on the compared rows."""
    places = dict.fromkeys(("mean", "p05", "p50", "p95"), mean)
    bins = [{"lower": 0.0, "upper": 0.1, "count": 1200, "predicted": 0.05, "observed": 0.06}]
    return {
        "predictions": places,
        "quality": {
            "rows": 2000, "brier": brier, "log_loss": None, "auc": None, "calibration_error": None,
            "calibration": bins, "mean_absolute_error": None, "root_mean_squared_error": None,
        },
        "latency": {"one_row": micros, "thousand_rows": 1000 * micros},
    }  # fmt: skip


def comparison(**changes: Any) -> Json:
    """v1.1 and v1.2 side by side."""
    row = {"features": {"carrier": "B6", "temp": None, "hour": 8}, "a": 0.41, "b": 0.62, "label": 1.0}
    return {
        "a": "v1.1", "b": "v1.2",
        "metrics": {"auc": {"a": 0.75, "b": 0.76, "difference": 0.01}, "new": {"a": None, "b": 1.0, "difference": None}},
        "hyperparameters": {"rounds": {"a": 100, "b": 200}},
        "schema": {"added": ["x"], "removed": ["y"], "changed": {"z": {"a": {"nullable": True}, "b": {"nullable": False}}},
                   "reordered": True},
        "size": {"a": 700_000, "b": 350_000},
        "scores": {
            "rows": {"count": 2000, "a": 1000, "b": 1000, "both": 0, "left_out": 3},
            "a": scored(0.3, 0.15, 10.0), "b": scored(0.31, 0.14, 8.0), "ks_distance": 0.04,
            "disagreement": {"count": 20, "share": 0.01, "threshold": 0.5, "mean_difference": 0.012,
                             "largest_difference": 0.21, "worst": [row]},
        },
        "note": "", "told": [], **changes,
    }  # fmt: skip


def test_a_comparison_reads_from_numbers_to_rows() -> None:
    """Every number of both versions with its difference, then the rows that they disagree on most."""
    assert [
        "v1.1 → v1.2",
        "",
        "TRAINED  v1.1  v1.2  DIFFERENCE",
        "auc      0.75  0.76  +0.01 (+1.3 %)",
        "new      –     1     –",
        "",
        "on the same 2,000 held-out rows (1,000 of v1.1, 1,000 of v1.2, 3 left out: they fit one schema only)",
        "",
        "LABELS  v1.1  v1.2  DIFFERENCE",
        "brier   0.15  0.14  -0.01 (-6.7 %)",
        "",
        "PREDICTED  v1.1 ROWS  MEAN   TRUE   v1.2 ROWS  MEAN   TRUE",
        "0 to 0.1   1,200      0.050  0.060  1,200      0.050  0.060",
        "",
        "PREDICTIONS  v1.1  v1.2  DIFFERENCE",
        "mean         0.3   0.31  +0.01 (+3.3 %)",
        "p05          0.3   0.31  +0.01 (+3.3 %)",
        "p50          0.3   0.31  +0.01 (+3.3 %)",
        "p95          0.3   0.31  +0.01 (+3.3 %)",
        "",
        "LATENCY µs  v1.1    v1.2   DIFFERENCE",
        "1 row       10      8      -2 (-20 %)",
        "1,000 rows  10,000  8,000  -2,000 (-20 %)",
        "",
        "20 rows (1 %) differ by threshold 0.5; mean difference 0.012, largest 0.21, distance of the distributions 0.04",
        "v1.1  v1.2  LABEL  ROW",
        "0.41  0.62  1      carrier B6, hour 8",
        "",
        "BYTES   v1.1     v1.2     DIFFERENCE",
        "served  700,000  350,000  -350,000 (-50 %)",
        "",
        "SETTING  v1.1  v1.2",
        "rounds   100   200",
        "",
        "+ feature x",
        "✘ feature y is gone",
        "· feature z: nullable true → false",
        "· the features stand in another order",
    ] == comparison_lines(comparison())


def test_a_comparison_without_scores_says_why() -> None:
    """What the metadata tells is shown all the same."""
    lines = comparison_lines(comparison(scores=None, note="v1.1 has no held-out rows"))
    assert "· v1.1 has no held-out rows" == lines[-1]
    assert not any("held-out rows (" in line for line in lines)
