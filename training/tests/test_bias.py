"""Bias metrics against tables computed by hand."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from training.bias import Facet, analysis

# group, late, predicted chance of being late: 4 rows of the group, 6 of others
ROWS = [
    ("MQ", False, 0.1), ("MQ", True, 0.2), ("EV", True, 0.8), ("MQ", False, 0.9),
    ("UA", False, 0.1), ("UA", False, 0.2), ("B6", False, 0.3),
    ("UA", True, 0.4), ("B6", True, 0.7), ("UA", False, 0.6),
]  # fmt: skip


def metrics(rows: list[tuple[str, bool, float]], stage: str) -> dict[str, float | None]:
    """The group's metrics by name."""
    table = pl.DataFrame(rows, schema=["carrier", "late", "score"], orient="row")
    found = analysis(table.drop("score"), table["score"].to_numpy(), [Facet("carrier", ("MQ", "EV"))])
    (entry,) = found[f"{stage}_training_bias_metrics"]["facets"]["carrier"]
    assert all((metric["value"] is None) == ("error" in metric) for metric in entry["metrics"])
    return {metric["name"]: metric["value"] for metric in entry["metrics"]}


def test_labels() -> None:
    """In time are 2 of 4 in the group and 4 of 6 of the others."""
    others, group = 4 / 6, 2 / 4
    wanted = {
        "CI": (6 - 4) / 10,
        "DPL": others - group,
        "KL": others * math.log(others / group) + (1 - others) * math.log((1 - others) / (1 - group)),
        "KS": others - group,
        "CDDL": None,
    }
    assert pytest.approx(wanted) == metrics(ROWS, "pre")


def test_predictions() -> None:
    """Predicted in time are 2 of 4 in the group and 4 of 6 of the others."""
    wanted = {
        "DPPL": 4 / 6 - 2 / 4,
        "DI": (2 / 4) / (4 / 6),
        # of those in time, 1 of 2 in the group and 3 of 4 of the others are predicted so
        "RD": 3 / 4 - 1 / 2,
        # right: 2 of 4 and 4 of 6
        "AD": 4 / 6 - 2 / 4,
        # false negatives over false positives: 1 / 1 in the group, 1 / 1 of the others
        "TE": 0.0,
    }
    assert pytest.approx(wanted) == metrics(ROWS, "post")


def test_what_cannot_be_computed_is_null_and_the_rest_is_there() -> None:
    """Without a late row there are no false positives; without the group nothing can be compared."""
    in_time = [(carrier, False, score) for carrier, _, score in ROWS]
    assert (4 / 6 - 2 / 4, None) == (metrics(in_time, "post")["RD"], metrics(in_time, "post")["TE"])
    nobody = [row for row in ROWS if row[0] not in ("MQ", "EV")]
    assert 1.0 == metrics(nobody, "pre")["CI"]
    assert {None} == set(metrics(nobody, "post").values())
    empty = analysis(
        pl.DataFrame(schema={"carrier": pl.String, "late": pl.Boolean}), np.empty(0), [Facet("carrier", ("MQ",))]
    )
    (entry,) = empty["pre_training_bias_metrics"]["facets"]["carrier"]
    assert {None} == {metric["value"] for metric in entry["metrics"]}


def test_a_missing_value_is_of_no_group() -> None:
    """A row without a value is one of the others."""
    rows = [*ROWS, (None, False, 0.1)]
    assert pytest.approx((7 - 4) / 11) == metrics(rows, "pre")["CI"]  # type: ignore[arg-type]
