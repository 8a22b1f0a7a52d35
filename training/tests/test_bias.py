"""Bias between groups of rows, as analysis.json tells it."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest

from training.bias import Facet, analysis, facet, violations
from training.fliptest import flips

# group, late, predicted chance of being late, distance: 4 rows of the group, 6 of others
ROWS: list[tuple[str | None, bool, float, int | None]] = [
    ("MQ", False, 0.1, 100), ("MQ", True, 0.2, 200), ("EV", True, 0.8, 300), ("MQ", False, 0.9, 400),
    ("UA", False, 0.1, 500), ("UA", False, 0.2, 600), ("B6", False, 0.3, 700),
    ("UA", True, 0.4, 800), ("B6", True, 0.7, 900), ("UA", False, 0.6, None),
]  # fmt: skip
REGIONAL = Facet("carrier", ("MQ", "EV"))
PRE = ["CI", "DPL", "KL", "JS", "LP", "TVD", "KS", "CDDL"]
POST = ["DPPL", "DI", "DCA", "DCR", "RD", "SD", "DAR", "DRR", "AD", "CDDPL", "TE", "FT", "GE"]


def table(rows: list[tuple[str | None, bool, float, int | None]]) -> pl.DataFrame:
    """The rows, two a day."""
    found = pl.DataFrame(rows, schema=["carrier", "late", "score", "distance"], orient="row")
    return found.with_columns(day=pl.Series([date(2013, 7, 1 + number // 2) for number in range(len(rows))]))


def report(
    rows: list[tuple[str | None, bool, float, int | None]], asked: Facet = REGIONAL, by: str | None = None
) -> Any:
    """analysis.json of one facet."""
    found = table(rows)
    return analysis(found.drop("score"), found["score"].to_numpy(), [asked], by)


def metrics(found: Any, stage: str, column: str = "carrier") -> dict[str, float | None]:
    """The group's metrics by name."""
    (entry,) = found[f"{stage}_training_bias_metrics"]["facets"][column]
    assert all((metric["value"] is None) == ("error" in metric) for metric in entry["metrics"])
    return {metric["name"]: metric["value"] for metric in entry["metrics"]}


def test_all_of_clarifys_metrics_are_there() -> None:
    """8 before training and 13 after, by their short names, and the counts behind them are the rows'."""
    found = report(ROWS, by="carrier")
    before, after = metrics(found, "pre"), metrics(found, "post")
    assert (PRE, POST) == ([*before], [*after])
    # in time are 2 of 4 in the group and 4 of 6 of the others; predicted so as many
    assert pytest.approx((6 - 4) / 10) == before["CI"]
    assert pytest.approx(4 / 6 - 2 / 4) == before["DPL"]
    assert pytest.approx((2 / 4) / (4 / 6)) == after["DI"]
    # of those in time, 1 of 2 in the group and 3 of 4 of the others are predicted so
    assert pytest.approx(3 / 4 - 1 / 2) == after["RD"]
    assert "not about persons" in found["note"]


def test_a_metric_has_the_bounds_that_days_leave() -> None:
    """The value lies between them; equal arguments give equal bounds."""
    (entry,) = report(ROWS)["pre_training_bias_metrics"]["facets"]["carrier"]
    (again,) = report(ROWS)["pre_training_bias_metrics"]["facets"]["carrier"]
    assert entry == again
    imbalance = entry["metrics"][0]
    assert imbalance["low"] <= imbalance["value"] <= imbalance["high"]
    assert imbalance["low"] < imbalance["high"]


def test_without_a_group_variable_the_others_are_still_there() -> None:
    """CDDL and CDDPL are null and say why; nothing else is."""
    found = report(ROWS)
    nulls = [name for stage in ("pre", "post") for name, value in metrics(found, stage).items() if value is None]
    assert ["CDDL", "CDDPL"] == nulls


def test_what_cannot_be_computed_is_null_and_the_rest_is_there() -> None:
    """Without a late row there are no false positives; without the group nothing can be compared."""
    in_time = [(carrier, False, score, far) for carrier, _, score, far in ROWS]
    after = metrics(report(in_time), "post")
    assert (pytest.approx(4 / 6 - 2 / 4), None, None) == (after["RD"], after["TE"], after["SD"])
    nobody = report([row for row in ROWS if row[0] not in ("MQ", "EV")])
    assert 1.0 == metrics(nobody, "pre")["CI"]
    assert {"GE"} == {name for name, value in metrics(nobody, "post").items() if value is not None}
    empty = analysis(
        pl.DataFrame(schema={"carrier": pl.String, "late": pl.Boolean, "day": pl.Date}), np.empty(0), [REGIONAL]
    )
    assert {None} == set(metrics(empty, "pre").values()) | set(metrics(empty, "post").values())


def test_a_missing_value_is_of_no_group() -> None:
    """A row without a value is one of the others."""
    rows = [*ROWS, (None, False, 0.1, 1)]
    assert pytest.approx((7 - 4) / 11) == metrics(report(rows), "pre")["CI"]
    far = Facet("distance", threshold=650.0)
    assert pytest.approx((7 - 3) / 10) == metrics(report(ROWS, far), "pre", "distance")["CI"]


def test_a_number_is_a_facet_by_a_threshold() -> None:
    """Rows above it are the group, named by the interval."""
    assert Facet("distance", threshold=650.0) == facet("distance>650")
    found = report(ROWS, facet("distance>650"))
    (entry,) = found["pre_training_bias_metrics"]["facets"]["distance"]
    assert "(650, 900]" == entry["value_or_threshold"]
    with pytest.raises(ValueError, match="allowed is > for numbers only: carrier=A,B"):
        report(ROWS, facet("carrier>1"))
    for wrong in ("distance>far", "distance>", ">5", "carrier"):
        with pytest.raises(ValueError, match="allowed is a column and 1 to 100 values"):
            facet(wrong)


def test_a_column_that_is_not_there_is_named() -> None:
    """A facet's, and the one to condition on."""
    with pytest.raises(ValueError, match="--facet: found column 'airline', allowed are carrier, late"):
        report(ROWS, Facet("airline", ("MQ",)))
    with pytest.raises(ValueError, match="--group-variable: found column 'airline'"):
        report(ROWS, by="airline")


def altered(found: Any, name: str, value: float | None) -> Any:
    """An analysis with another value of a metric."""
    groups = {"carrier": [{"value_or_threshold": "MQ,EV", "metrics": [{"name": name, "value": value}]}]}
    return {"pre_training_bias_metrics": {"facets": groups}, "post_training_bias_metrics": {"facets": {}}}


def test_drift_is_what_is_surely_farther_from_no_bias_than_the_baseline() -> None:
    """As SageMaker's monitor tells it: nearer to no bias is none, and neither is what noise may be."""
    found = report(ROWS)
    low = found["pre_training_bias_metrics"]["facets"]["carrier"][0]["metrics"][0]["low"]
    assert [] == violations(found, found)["violations"]
    assert [] == violations(found, altered(found, "CI", -0.9))["violations"]
    assert [] == violations(found, altered(found, "CI", None))["violations"]
    certain = [("MQ" if number % 4 == 0 else "UA", False, 0.1, 1) for number in range(60)]
    worse = violations(report([*certain]), altered(found, "CI", 0.0))["violations"]
    assert low is not None
    assert [("carrier", "MQ,EV", "CI", "bias_drift_check")] == [
        (one["facet"], one["facet_value"], one["metric_name"], one["constraint_check_type"]) for one in worse
    ]
    assert "Value 0.5000" in worse[0]["description"]
    assert "was 0.0000" in worse[0]["description"]
    with pytest.raises(ValueError, match=r"baseline: found .* allowed is an analysis\.json"):
        violations(found, {"rows": 1})


def flipped(rows: list[tuple[str, float]], group: list[bool], predicted: list[bool]) -> list[float]:
    """What the fliptest says of each row of the group."""
    found = pl.DataFrame(rows, schema=["origin", "distance"], orient="row")
    return list(flips(found, ("origin", "distance"), np.array(group), np.array(predicted))[1])


def test_the_fliptest_asks_the_nearest_others() -> None:
    """Near ones were favoured where the row was not, or the other way round; far ones do not count."""
    near, far = [("JFK", 0.0)] * 5, [("LGA", 100.0)] * 5
    rows = [("JFK", 1.0), ("LGA", 99.0), ("JFK", 1.0), *near, *far]
    group = [True] * 3 + [False] * 10
    predicted = [False, True, True] + [True] * 5 + [False] * 5
    assert [1.0, -1.0, 0.0] == flipped(rows, group, predicted)


def test_as_near_as_the_fifth_counts_as_well() -> None:
    """So the order of equal rows decides nothing, and half is not most."""
    rows = [("JFK", 0.0)] * 9
    for favoured, said in ((4, 0.0), (5, 1.0)):
        predicted = [False] + [True] * favoured + [False] * (8 - favoured)
        assert [said] == flipped(rows, [True] + [False] * 8, predicted)
        assert [said] == flipped(rows, [True] + [False] * 8, [False, *predicted[:0:-1]])


def test_a_large_group_is_asked_in_part() -> None:
    """2,000 of its rows, evenly chosen, so that a month costs seconds."""
    rows = pl.DataFrame({"distance": np.arange(5010.0)})
    group = np.arange(5010) < 5000
    asked, found = flips(rows, ("distance",), group, group)
    assert (2000, 0, 4999) == (asked.size, asked[0], asked[-1])
    assert {-1.0} == set(found)
