"""What the program writes is what AWS's pages show, for each kind of problem; and what it reads is read strictly."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import schemas

from model_monitoring.__main__ import main
from model_monitoring.problems import line_of

Row = dict[str, Any]
BEGIN = datetime(2026, 1, 5, tzinfo=UTC)


def rows(kind: str, days: int = 60, a_day: int = 40, seed: int = 1, worse: float = 0.0) -> list[Row]:
    """Rows with times, predictions and labels of a kind of problem; `worse` of the answers are wrong."""
    draw = random.Random(seed)
    found = []
    for number in range(days * a_day):
        x = draw.random()
        at = BEGIN + timedelta(days=number // a_day, minutes=number % a_day)
        row: Row = {"x": x, "place": draw.choice("ABC"), "time": at.isoformat()}
        off = draw.random() < worse
        if kind == "BinaryClassification":
            row |= {"prediction": 1 - x if off else x, "label": int(draw.random() < x)}
        elif kind == "Regression":
            row |= {"prediction": x + (5 if off else 0), "label": x + draw.gauss(0, 0.1)}
        else:
            row |= {"prediction": "far" if off else row["place"], "label": row["place"]}
        found.append(row)
    return found


def table(path: Path, given: Sequence[Row]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*given[0]])
        writer.writeheader()
        writer.writerows(given)
    return path


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Path]:
    """Runs the program on a table, answers its output; a baseline where `baseline` is not given."""

    def run(source: Path, baseline: Path | None = None, code: int = 0, form: str = "csv", **more: str) -> Path:
        base = tmp_path / ("look" if baseline else "base")
        output = base / "output-files"
        given = {"SAGEMAKER_BASE_DIR": str(base), "dataset_source": str(source), "output_path": str(output)}
        given |= {"dataset_format": json.dumps({form: {}}), "time_column": "time", **more}
        if baseline:
            given |= {"baseline_statistics": str(baseline / "statistics.json")}
            given |= {"baseline_constraints": str(baseline / "constraints.json")}
        assert code == main(given)
        return output

    return run


@pytest.mark.parametrize("kind", ["BinaryClassification", "Regression", "MulticlassClassification"])
def test_the_files_are_those_of_the_guide(tmp_path, run, kind):
    """Of a baseline and of a look that finds something, with the metrics that the platform takes."""
    made = run(table(tmp_path / "good.csv", rows(kind)), problem_type=kind)
    bad = table(tmp_path / "bad.csv", rows(kind, days=1, a_day=400, worse=0.9))
    look = run(bad, made, problem_type=kind, publish_cloudwatch_metrics="Enabled", sagemaker_endpoint_name="e")
    assert "failed in 400 rows" in (look / "report.html").read_text()
    for folder in (made, look):
        for path in folder.glob("*.json"):
            if path.name in schemas.FILES:
                schemas.accepted(path.name, path.read_bytes())
    found = schemas.accepted(
        "model_quality_constraint_violations.json", (look / "model_quality_constraint_violations.json").read_bytes()
    )
    worst = {"BinaryClassification": "brier", "Regression": "rmse", "MulticlassClassification": "accuracy"}[kind]
    assert worst in [violation.metric_name for violation in found.violations]
    metrics = (look.parent / "output" / "metrics" / "cloudwatch" / "cloudwatch_metrics.jsonl").read_bytes()
    names = [one.MetricName for one in msgspec.json.Decoder(schemas.CloudWatch).decode_lines(metrics)]
    assert {"rows", "feature_baseline_drift_x", worst} <= {*names}


def test_rows_as_good_as_the_baseline_s_violate_nothing(tmp_path, run):
    """Few of them and many: the size of a window alone is no drift, and no worse model."""
    made = run(table(tmp_path / "good.csv", rows("BinaryClassification")))
    for a_day in (100, 500, 5000):
        look = run(table(tmp_path / "same.csv", rows("BinaryClassification", 1, a_day, seed=a_day)), made)
        for name in ("constraint_violations.json", "model_quality_constraint_violations.json"):
            assert {"violations": []} == json.loads((look / name).read_text())


def test_a_baseline_with_times_has_thresholds_of_its_own_windows(tmp_path, run):
    """By feature and length; for quality too. A window may say which length it is like."""
    made = run(table(tmp_path / "good.csv", rows("BinaryClassification")), false_alarm_rate="0.1")
    windows = json.loads((made / "baseline_windows.json").read_text())
    assert (0.1, ["day", "week"]) == (windows["false_alarm_rate"], [*windows["lengths"]])
    assert 60 == len(windows["lengths"]["day"]["windows"])
    held = json.loads((made / "constraints.json").read_text())["features"][0]
    assert ["day", "week"] == [*held["monitoringConfigOverrides"]["distribution_constraints"]["window_thresholds"]]
    look = run(table(tmp_path / "now.csv", rows("BinaryClassification", 1)), made, window_length="week")
    assert "week" == json.loads((look / "distances.json").read_text())["length"]


def test_parquet_says_what_csv_says(tmp_path, run):
    """Types, counts, missing values, categories, quality; by the same files."""
    given = rows("BinaryClassification", days=30)
    for row in given[::7]:
        row["place"], row["x"] = None, None
    csv_file = table(tmp_path / "rows.csv", given)
    pq.write_table(pa.Table.from_pylist(given), tmp_path / "rows.parquet")
    texts = []
    for source, form in ((csv_file, "csv"), (tmp_path / "rows.parquet", "parquet")):
        made = run(source, form=form)
        names = ("constraints.json", "model_quality_statistics.json", "model_quality_constraints.json")
        texts.append([json.loads((made / name).read_text()) for name in names])
    assert texts[0] == texts[1]


def test_a_parquet_file_that_is_none_is_named(tmp_path, run):
    (tmp_path / "rows.parquet").write_text("x,place\n")
    made = run(tmp_path / "rows.parquet", form="parquet", code=1)
    assert "rows.parquet" in (made.parent / "output" / "message").read_text()


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("when", "there is no column 'when'; there is: x, place, time"),
        ("place", "column 'place': 'A' is no time such as"),
    ],
)
def test_a_column_that_is_no_time_is_named(tmp_path, run, column, said):
    made = run(table(tmp_path / "rows.csv", rows("Regression", 5)), time_column=column, code=1)
    assert said in (made.parent / "output" / "message").read_text()


def test_mistakes_in_edited_files_are_named_with_their_line(tmp_path, run):
    """Thresholds of a feature or metric that is not there, of no length, out of range, and broken JSON."""
    made = run(table(tmp_path / "good.csv", rows("BinaryClassification")))
    now = table(tmp_path / "now.csv", rows("BinaryClassification", 1))
    quality = "model_quality_constraints.json"
    for name, old, new, said in (
        ("constraints.json", '"name": "x"', '"name": "xx"', "feature 'xx' is not in the baseline; there is: x, place"),
        ("constraints.json", '"week":', '"year":', "Invalid enum value 'year'"),
        ("constraints.json", '"comparison_threshold": 0.1', '"comparison_threshold": 10', "Expected `float` <= 1.0"),
        ("constraints.json", '"features": [', '"features": [,', "malformed"),
        (quality, '"brier"', '"brierr"', "there is no metric 'brierr'"),
        (quality, '"GreaterThanThreshold"', '"Above"', "Invalid enum value 'Above'"),
    ):  # fmt: skip
        path = made / name
        good = path.read_text()
        assert old in good
        path.write_text(good.replace(old, new, 1))
        look = run(now, made, code=1)
        message = (look.parent / "output" / "message").read_text()
        line = good[: good.index(old)].count("\n") + 1
        assert message.startswith(f"{name}, line {line}: ")
        assert said in message
        path.write_text(good)


def test_a_feature_may_have_a_threshold_of_its_own(tmp_path, run):
    """For a length, and, where the general thresholds are windows', for all."""
    made = run(table(tmp_path / "good.csv", rows("BinaryClassification")))
    moved = [row | {"x": row["x"] / 2} for row in rows("BinaryClassification", 1, 400)]
    now = table(tmp_path / "now.csv", moved)

    def drifts() -> list[str]:
        found = json.loads((run(now, made) / "constraint_violations.json").read_text())["violations"]
        return [one["feature_name"] for one in found if one["constraint_check_type"] == "baseline_drift_check"]

    path = made / "constraints.json"
    document = json.loads(path.read_text())
    assert ["x"] == drifts()
    own = document["features"][0]["monitoringConfigOverrides"]["distribution_constraints"]
    own["window_thresholds"]["day"] = 0.9
    path.write_text(json.dumps(document))
    assert [] == drifts()
    document["features"][0]["monitoringConfigOverrides"] = {"distribution_constraints": {"comparison_threshold": 0.01}}
    document["monitoring_config"]["distribution_constraints"]["window_thresholds"] = {"day": 0.9}
    path.write_text(json.dumps(document))
    assert ["x"] == drifts()


def test_a_masked_column_is_named_and_can_be_left_out(tmp_path, run):
    """All of its values are missing; the others count."""
    made = run(table(tmp_path / "good.csv", rows("BinaryClassification")))
    now = table(tmp_path / "now.csv", [row | {"place": None} for row in rows("BinaryClassification", 1, 200)])

    def found() -> list[tuple[str, str]]:
        violations = json.loads((run(now, made) / "constraint_violations.json").read_text())["violations"]
        return [(one["feature_name"], one["description"].partition("; of a column ")[2]) for one in violations]

    assert [("place", "that the capture masks, set evaluate_constraints to Disabled")] == found()
    path = made / "constraints.json"
    document = json.loads(path.read_text())
    document["features"][1]["monitoringConfigOverrides"] = {"evaluate_constraints": "Disabled"}
    path.write_text(json.dumps(document))
    assert [] == found()


def test_a_baseline_s_rows_are_not_read_again(tmp_path, run):
    """Its files are all that a look needs, and small whatever they were made of."""
    source = table(tmp_path / "good.csv", rows("BinaryClassification", a_day=400))
    made = run(source)
    source.unlink()
    run(table(tmp_path / "now.csv", rows("BinaryClassification", 1, 200)), made)
    assert sum(path.stat().st_size for path in made.iterdir()) < 500_000


def test_simple_and_chi_squared_are_what_they_are_at_sagemaker(tmp_path, run):
    """Simple takes nothing off; ChiSquared compares a p-value."""
    made = run(table(tmp_path / "good.csv", rows("Regression")))
    now = table(tmp_path / "now.csv", [row | {"place": "A"} for row in rows("Regression", 1, 60)])
    path = made / "constraints.json"
    document = json.loads(path.read_text())
    config = document["monitoring_config"]["distribution_constraints"]
    config |= {"comparison_method": "Simple", "categorical_drift_method": "ChiSquared"}
    for feature in document["features"]:
        feature.pop("monitoringConfigOverrides", None)
    path.write_text(json.dumps(document))
    distances = json.loads((run(now, made) / "distances.json").read_text())["features"]
    x, place, _ = distances
    assert ("Simple", "ChiSquared", True) == (x["method"], place["method"], place["is_drift"])
    assert 0 < x["value"]
    assert place["value"] < 1e-9


def test_one_class_only_leaves_out_what_cannot_be_told(tmp_path, run):
    """AUC is null; the rest is there; nothing crashes."""
    made = run(table(tmp_path / "good.csv", rows("BinaryClassification")))
    now = [row | {"label": 0} for row in rows("BinaryClassification", 1, 300)]
    look = run(table(tmp_path / "now.csv", now), made)
    found = json.loads((look / "model_quality_statistics.json").read_text())["binary_classification_metrics"]
    assert (None, None) == (found["auc"]["value"], found["recall"]["value"])
    assert found["brier"]["value"] > 0


def test_lines_of_json_are_found():
    """Also within strings that look like structure, and where the path leads nowhere."""
    text = b'{\n "a": [1,\n {"b": "}\\n,]",\n "c": 2}],\n "d": null}'
    assert [1, 2, 3, 3, 4, 5] == [line_of(text, path) for path in ("$", "$.a", "$.a[1]", "$.a[1].b", "$.a[1].c", "$.d")]
    assert 3 == line_of(text, "$.a[1].zzz")
