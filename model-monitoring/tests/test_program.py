"""The program by its contract: environment and files in, files out."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from captures import BEGAN, capture, environment, label, line, read

from model_monitoring.__main__ import main

SCHEMA = {
    "features": [{"name": "origin", "type": "category"}, {"name": "minute", "type": "number"}],
    "output": {"name": "late", "threshold": 0.5},
}


def exchanges(
    count: int, seed: int = 1, origin: Callable[[random.Random], object] | None = None, shift: float = 0.0
) -> list[str]:
    """Lines of requests drawn at random."""
    draw = random.Random(seed)
    pick = origin or (lambda draw: draw.choice(["JFK", "EWR", "LGA"]))
    lines = []
    for number in range(count):
        instance = {"origin": pick(draw), "minute": draw.randrange(1440)}
        prediction = min(1.0, max(0.0, draw.random() / 2 + shift))
        lines.append(line({"instances": [instance]}, [prediction], event=f"{seed}-{number}", at=BEGAN))
    return lines


@pytest.fixture(scope="module")
def baseline(tmp_path_factory):
    """The files of a baseline of 2000 requests."""
    folder = tmp_path_factory.mktemp("baseline")
    (folder / "schema.json").write_text(json.dumps(SCHEMA))
    source = capture(folder / "capture", exchanges(2000))
    assert 0 == main(environment(folder, source, feature_schema=str(folder / "schema.json")))
    return folder


@pytest.fixture
def look(tmp_path, baseline):
    """Runs the program on lines, against a copy of the baseline's files; answers the exit code and its folder."""
    made = shutil.copytree(baseline / "processing" / "output", tmp_path / "baseline")

    def run(lines: list[str | bytes], **more: str) -> tuple[int, Path]:
        folder = tmp_path / "now"
        source = capture(folder / "capture", lines) if lines else folder / "capture"
        given = {
            "feature_schema": str(baseline / "schema.json"),
            "sagemaker_endpoint_name": "e",
            "baseline_statistics": str(made / "statistics.json"),
            "baseline_constraints": str(made / "constraints.json"),
        }
        return main(environment(folder, source, **(given | more))), folder

    run.baseline = made
    return run


def checks(folder: Path) -> list[tuple[str, str]]:
    return [
        (v["feature_name"], v["constraint_check_type"])
        for v in read(folder, "constraint_violations.json")["violations"]
    ]


def test_the_same_traffic_is_quiet(look):
    """And the baseline says what it kept."""
    code, folder = look(exchanges(2000, seed=2))
    constraints = json.loads((look.baseline / "constraints.json").read_text())
    assert (0, []) == (code, checks(folder))
    assert ["String", "Integral", "Fractional"] == [feature["inferred_type"] for feature in constraints["features"]]
    assert ["EWR", "JFK", "LGA"] == constraints["features"][0]["string_constraints"]["domains"]
    assert "2000 rows, 0 violations" == (folder / "output" / "message").read_text()


def test_a_look_that_begins_within_a_second_sees_all_that_is_stamped_with_it(look):
    """Captured times are whole seconds."""
    _, folder = look(exchanges(300, seed=2), start_time=(BEGAN + timedelta(seconds=0.6)).isoformat())
    assert 300 == read(folder, "statistics.json")["dataset"]["item_count"]


def of_origins(*origins: object) -> list[str]:
    """Requests whose origins are drawn from these."""
    return exchanges(1500, origin=lambda draw: draw.choice(origins))


def alike(**instance: object) -> list[str]:
    """The same request again and again."""
    return [line({"instances": [instance]}, [0.2])] * 50


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (exchanges(2000, shift=0.3), ("late", "baseline_drift_check")),
        (of_origins("JFK", "JFK", "JFK", "EWR", "LGA"), ("origin", "baseline_drift_check")),
        (of_origins("JFK", "EWR", "LGA", "SFO"), ("origin", "categorical_values_check")),
        (of_origins("JFK", "EWR", "LGA", None), ("origin", "completeness_check")),
        (of_origins("JFK", "EWR", "LGA", 7), ("origin", "data_type_check")),
        (alike(minute=5), ("origin", "missing_column_check")),
        (alike(minute=5, origin="JFK", wind=3), ("wind", "extra_column_check")),
        (alike(minute=-5, origin="JFK"), ("minute", "data_type_check")),
        ([*exchanges(200), *[b"torn"] * 3], ("", "unreadable_lines_check")),
    ],
    ids=["prediction", "mix", "values", "missing", "types", "gone", "new", "negative", "unreadable"],
)
def test_each_check_finds_its_fault(look, lines, expected):
    """By the names of SageMaker's checks."""
    _, folder = look(lines)
    assert expected in checks(folder)


def test_the_size_of_a_sample_alone_is_no_drift(look):
    """A few rows of the same traffic, and many."""
    for count in (20, 500, 4000):
        assert [] == checks(look(exchanges(count, seed=count))[1])


def test_an_empty_window_says_so_and_finds_nothing(look):
    """Whoever decides sees 0 rows, not "no drift"."""
    code, folder = look([])
    assert (0, 0, []) == (code, read(folder, "statistics.json")["dataset"]["item_count"], checks(folder))


def test_thresholds_are_a_features_own_where_it_has_some(look):
    """An override beats the general threshold."""
    path = look.baseline / "constraints.json"
    document = json.loads(path.read_text())
    late = document["features"][2]
    late["monitoringConfigOverrides"] = {"distribution_constraints": {"comparison_threshold": 0.9}}
    path.write_text(json.dumps(document))
    assert [] == checks(look(exchanges(2000, seed=1, shift=0.3))[1])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["features"][0].update(completeness=2), "$.features[0].completeness"),
        (lambda d: d["features"][0].update(inferred_type="Text"), "$.features[0].inferred_type"),
        (lambda d: d["features"][0].update(treshold=2), "treshold"),
        (lambda d: d["features"].append(dict(d["features"][0])), "stands twice"),
        (lambda d: d["features"][0].update(name="orgin"), "'orgin' is not in the baseline"),
        (lambda d: d["monitoring_config"].update(evaluate_constraints="yes"), "evaluate_constraints"),
    ],
)
def test_mistakes_in_edited_constraints_are_named(look, change, said):
    """With their place; the program fails before it writes anything."""
    path = look.baseline / "constraints.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    code, folder = look(exchanges(20))
    assert (1, True) == (code, said in (folder / "output" / "message").read_text())
    assert not (folder / "processing").exists()


def test_labels_judge_the_predictions_that_they_belong_to(look, tmp_path):
    """By event and position; the newest label counts, foreign and unknown ones do not."""
    truth = tmp_path / "truth"
    lines = [
        line({"instances": [{"origin": "JFK", "minute": 1}, {"origin": "JFK", "minute": 2}]}, [0.8, 0.2], event="a"),
        line({"instances": [{"origin": "JFK", "minute": 3}]}, [0.4], event="b"),
        line({"instances": [{"origin": "JFK", "minute": 3}]}, [0.4], event="c"),
    ]
    capture(
        truth,
        [label("a", [1, 1], source="app"), label("a", [1, 0], source="app"), label("zzz", [1], source="app"), "torn"],
    )
    capture(truth, [label("b", [1], source="app"), label("c", [1], source="stranger")], BEGAN.replace(hour=11))
    _, folder = look(lines, ground_truth_source=str(truth), ground_truth_sources="app")
    found = read(folder, "model_quality_statistics.json")
    metrics = found["binary_classification_metrics"]
    assert (4, 3) == (found["dataset"]["item_count"], found["dataset"]["labelled_count"])
    assert (pytest.approx((0.04 + 0.04 + 0.36) / 3), 1.0) == (metrics["brier"]["value"], metrics["auc"]["value"])
    assert {"0": {"0": 1, "1": 0}, "1": {"0": 1, "1": 1}} == metrics["confusion_matrix"]


def test_metrics_are_written_for_the_platform(look):
    """A line each, with endpoint and distance; how many rows there were."""
    _, folder = look(exchanges(500), publish_cloudwatch_metrics="Enabled")
    text = (folder / "output" / "metrics" / "cloudwatch" / "cloudwatch_metrics.jsonl").read_text()
    metrics = [json.loads(line) for line in text.splitlines()]
    assert [
        "rows",
        "feature_baseline_drift_origin",
        "feature_baseline_drift_minute",
        "feature_baseline_drift_late",
    ] == [m["MetricName"] for m in metrics]
    assert all(m["Value"] < 0.1 or m["MetricName"] == "rows" for m in metrics)
    assert all(m["Dimensions"][0] == {"Name": "Endpoint", "Value": "e"} for m in metrics)


def test_a_baseline_may_be_a_table(tmp_path):
    """A CSV with a header; a row of another length is named by file and line."""
    (tmp_path / "rows.csv").write_text("origin,minute\nJFK,5\n,7.5\n")
    given = environment(tmp_path / "base", tmp_path / "rows.csv", dataset_format='{"csv": {"header": true}}')
    assert 0 == main(given)
    kinds = {
        f["name"]: (f["inferred_type"], f["completeness"])
        for f in read(tmp_path / "base", "constraints.json")["features"]
    }
    assert {"origin": ("String", 0.5), "minute": ("Fractional", 1.0)} == kinds
    (tmp_path / "rows.csv").write_text("origin,minute\nJFK,5\nJFK\n")
    assert 1 == main(given)
    assert "rows.csv: line 3: 1 values; the header has 2" == (tmp_path / "base" / "output" / "message").read_text()


def test_held_out_rows_are_a_baseline_with_its_quality(tmp_path):
    """`prediction` becomes the schema's name, labels are judged and are no column."""
    (tmp_path / "schema.json").write_text(json.dumps({"feature_schema": SCHEMA}))
    (tmp_path / "rows.csv").write_text("origin,minute,prediction,label\nJFK,5,0.8,1\nEWR,6,0.2,0\nEWR,7,0.9,\n")
    given = environment(tmp_path / "base", tmp_path / "rows.csv", dataset_format='{"csv": {"header": true}}')
    assert 0 == main(given | {"feature_schema": str(tmp_path / "schema.json")})
    assert ["origin", "minute", "late"] == [f["name"] for f in read(tmp_path / "base", "constraints.json")["features"]]
    held = read(tmp_path / "base", "model_quality_constraints.json")["binary_classification_constraints"]
    assert {"threshold": pytest.approx(0.04), "comparison_operator": "GreaterThanThreshold"} == held["brier"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dataset_format": "csv"}, "dataset_format"),
        ({"dataset_format": '{"xml": {}}'}, "allowed"),
        ({"dataset_source": ""}, "dataset_source is not set"),
        ({"start_time": "yesterday"}, "start_time"),
        ({"baseline_statistics": "/x"}, "go together"),
        ({"feature_schema": "/no/such"}, "feature_schema"),
    ],
)
def test_a_malformed_job_is_named(tmp_path, change, said):
    """In the message and by the exit code."""
    assert 1 == main(environment(tmp_path, tmp_path) | change)
    assert said in (tmp_path / "output" / "message").read_text()


def test_a_baseline_without_rows_is_refused(tmp_path):
    """There is nothing to hold later traffic to."""
    assert 1 == main(environment(tmp_path, tmp_path / "nothing"))
    assert "no rows" in (tmp_path / "output" / "message").read_text()


def test_it_runs_as_a_program(tmp_path):
    """As the platform starts it."""
    source = capture(tmp_path / "capture", exchanges(20))
    variables = environment(tmp_path, source) | {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(__file__).parent.parent / "src"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "model_monitoring"], env=variables, capture_output=True, text=True, check=False
    )
    assert (
        0,
        "baseline of 20 rows and 3 columns; its times do not make windows, so the threshold is 0.1 for all\n",
        "",
    ) == (done.returncode, done.stdout, done.stderr)
