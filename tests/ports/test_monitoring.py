"""What every way to watch a model's traffic does: the double in memory, and the program over files."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shipway.core.description.app import App
from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.core.monitoring.watch import judge
from shipway.core.ports.learning import Monitoring
from shipway.core.releases.release import Artifact, Release
from shipway.core.views.learning import MonitorView
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.local.tasks.bounded_run import run_bounded
from shipway.monitor.program import Captured, ProgramMonitoring
from tests.doubles.monitoring import FakeMonitoring
from tests.pipeline.house import APP

ROOT = Path(__file__).parent.parent.parent
NOON = 1_793_620_800.0  # 2026-11-02 12:00 UTC
WINDOW = (NOON, NOON + 3600)
SCHEMA = {"features": [{"name": "x", "type": "number"}], "output": {"name": "late"}}


def release(version: str = "v1.0") -> Release:
    app: App = APP
    return Release(
        "r1", "c1", app, {"hello": Artifact("hello", "a" * 64, "")}, model_version=version, model_digest="d" * 64
    )


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> PythonEnvironments:
    """Where the program's environment is made, once."""
    return PythonEnvironments(tmp_path_factory.mktemp("environments"))


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    """With captured traffic of an hour, and the held-out rows of a version."""
    folder = tmp_path / "bucket" / "hello-dev" / "v1-0" / "2026/11/02/12"
    folder.mkdir(parents=True)
    (folder / "0-1.jsonl").write_text("".join(line(n, (n % 100) / 100) for n in range(400)))
    version = tmp_path / "models" / "v1.0"
    version.mkdir(parents=True)
    (version / "metadata.json").write_text(json.dumps({"feature_schema": SCHEMA, "holdout": {"file": "holdout.csv"}}))
    with (version / "holdout.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [("x", "prediction", "label"), *((n % 7, (n % 100) / 100, n % 2) for n in range(400))]
        )
    return tmp_path / "bucket"


def line(number: int, prediction: float) -> str:
    """A captured line."""
    asked = {"data": json.dumps({"instances": [{"x": number % 7}]}), "encoding": "JSON"}
    said = {"data": json.dumps({"predictions": [prediction]}), "encoding": "JSON"}
    event = {"eventId": f"e{number}", "inferenceTime": "2026-11-02T12:30:00Z"}
    return json.dumps({"captureData": {"endpointInput": asked, "endpointOutput": said}, "eventMetadata": event}) + "\n"


@pytest.fixture(params=["double", "program"])
def monitoring(
    request: pytest.FixtureRequest, tmp_path: Path, bucket: Path, environments: PythonEnvironments
) -> Monitoring:
    """Each of them."""
    if request.param == "double":
        return FakeMonitoring()
    return program(tmp_path, bucket, environments)


def program(tmp_path: Path, bucket: Path, environments: PythonEnvironments) -> ProgramMonitoring:
    python: Callable[..., Path] = lambda lock, tell: environments.python(lock, "monitoring", tell)  # noqa: E731
    return ProgramMonitoring(
        python, ROOT, run_bounded,
        lambda environment, release: Captured(bucket, f"hello-{environment}", release.model_version or ""),
        lambda version: tmp_path / "models" / version, tmp_path / "kept",
    )  # fmt: skip


def silently(said: str) -> None:
    pass


def test_a_window_is_held_to_the_baseline(monitoring: Monitoring) -> None:
    """The same traffic is quiet; what was done is told."""
    told: list[str] = []
    monitoring.baseline("dev", release(), None, WINDOW, told.append)
    kept = monitoring.look("dev", release(), WINDOW, (), told.append)
    assert ("v1.0", "quiet") == (kept.version, judge(kept.seen, (), 200).state)
    assert told


def test_without_a_baseline_nothing_is_looked_at(monitoring: Monitoring) -> None:
    """Neither one of another environment's nor of another version's counts."""
    monitoring.baseline("dev", release(), None, WINDOW, silently)
    for environment, version in (("prod", "v1.0"), ("dev", "v1.1")):
        with pytest.raises(Refused) as refused:
            monitoring.look(environment, release(version), WINDOW, (), silently)
        assert f"shipway monitor baseline {environment}" == refused.value.fix


def test_a_table_that_is_not_there_is_refused(monitoring: Monitoring, tmp_path: Path) -> None:
    """Before anything is made."""
    with pytest.raises(UsageError):
        monitoring.baseline("dev", release(), str(tmp_path / "nothing.csv"), None, silently)
    with pytest.raises(Refused):
        monitoring.look("dev", release(), WINDOW, (), silently)


def test_the_newest_look_is_kept(monitoring: Monitoring) -> None:
    """For each environment; none where none was."""
    assert monitoring.newest("dev") is None
    monitoring.baseline("dev", release(), None, None, silently)
    views = []
    for at in (1.0, 2.0):
        kept = monitoring.look("dev", release(), WINDOW, (), silently)
        views.append(MonitorView("dev", "v1.0", *WINDOW, at, kept.seen, judge(kept.seen, (), 200), kept.folder))
        monitoring.keep(views[-1])
    assert (views[-1], None) == (monitoring.newest("dev"), monitoring.newest("prod"))


def test_the_program_s_files_stand_beside_its_verdict(
    tmp_path: Path, bucket: Path, environments: PythonEnvironments
) -> None:
    """Whole, in a folder of their own; an edited constraint counts, a mistake in it is named, nothing half-made stays."""
    monitoring = program(tmp_path, bucket, environments)
    folder = Path(monitoring.baseline("dev", release(), None, None, silently).folder)
    assert {"statistics.json", "constraints.json", "model_quality_constraints.json"} <= {
        one.name for one in folder.iterdir()
    }
    held: dict[str, Any] = json.loads((folder / "constraints.json").read_text())
    held["features"].append({"name": "gone", "inferred_type": "String", "completeness": 1.0})
    (folder / "constraints.json").write_text(json.dumps(held))
    with pytest.raises(Refused, match="'gone' is not in the baseline"):
        monitoring.look("dev", release(), WINDOW, (), silently)
    held["features"].pop()
    held["features"][0]["inferred_type"] = "String"
    (folder / "constraints.json").write_text(json.dumps(held))
    kept = monitoring.look("dev", release(), WINDOW, (), silently)
    assert ["data_type_check"] == [one.check for one in kept.seen.violations]
    view = MonitorView("dev", "v1.0", *WINDOW, 1.0, kept.seen, judge(kept.seen, (), 200), kept.folder, alarm="x")
    monitoring.keep(view)
    made = {one.name for one in Path(kept.folder).iterdir()}
    assert {"report.html", "cloudwatch_metrics.jsonl", "verdict_metrics.jsonl", "distances.json"} <= made
    metrics = [json.loads(line) for line in (Path(kept.folder) / "verdict_metrics.jsonl").read_text().splitlines()]
    assert {"drift": 1, "hold": 0, "alarm": 1} == {one["MetricName"]: one["Value"] for one in metrics}
    assert [kept.folder] == [str(one) for one in Path(kept.folder).parent.iterdir()]


def test_a_table_with_times_gives_thresholds_and_hours_are_kept(
    tmp_path: Path, bucket: Path, environments: PythonEnvironments
) -> None:
    """The table's column of times is no feature; an hour is decoded once; a length may be given."""
    monitoring = program(tmp_path, bucket, environments)
    table = tmp_path / "rows.csv"
    days = [f"2026-10-{day:02d}T{hour:02d}:00:00Z" for day in range(1, 22) for hour in range(20)]
    rows = [f"{number % 7},{number % 100 / 100},{at}" for number, at in enumerate(days)]
    table.write_text("\n".join(["x,late,at", *rows]))
    folder = Path(monitoring.baseline("dev", release(), str(table), None, silently, "at", ("late",), 0.1).folder)
    windows = json.loads((folder / "baseline_windows.json").read_text())
    assert (0.1, 21) == (windows["false_alarm_rate"], len(windows["lengths"]["day"]["windows"]))
    told: list[str] = []
    for _ in range(2):
        kept = monitoring.look("dev", release(), WINDOW, (), told.append, "week")
    assert "week" == json.loads((Path(kept.folder) / "distances.json").read_text())["length"]
    assert "1 of 1 hours were summarised already" in told[-1]


def test_a_baseline_of_traffic_trusts_whom_looks_trust(
    tmp_path: Path, bucket: Path, environments: PythonEnvironments
) -> None:
    """A stranger's labels are no part of what is normal."""
    told = bucket / "ground-truth" / "hello-dev" / "2026/11/02/13"
    told.mkdir(parents=True)
    labels = [
        {
            "groundTruthData": {"data": str(n % 2), "encoding": "CSV"},
            "eventMetadata": {"eventId": f"e{n}", "source": "airline" if n < 300 else "stranger"},
        }
        for n in range(400)
    ]
    (told / "0-1.jsonl").write_text("".join(json.dumps(one) + "\n" for one in labels))
    monitoring = program(tmp_path, bucket, environments)
    kept = monitoring.baseline("dev", release(), None, WINDOW, silently, sources=["airline"])
    looked = monitoring.look("dev", release(), WINDOW, ["airline"], silently)
    assert (300, 300) == (kept.seen.labelled, looked.seen.labelled)
    assert 400 == monitoring.baseline("dev", release(), None, WINDOW, silently).seen.labelled


def test_a_program_that_takes_too_long_is_ended_with_a_word(
    tmp_path: Path, bucket: Path, environments: PythonEnvironments
) -> None:
    """And leaves nothing half-made."""
    hasty = replace(program(tmp_path, bucket, environments), timeout=0.01)
    with pytest.raises(ShipwayError, match="not done within") as fault:
        hasty.baseline("dev", release(), None, None, silently)
    assert "--since" in fault.value.fix
    assert [] == list((bucket / "baselines" / "hello-dev" / "v1.0").iterdir())


def test_only_the_newest_looks_are_kept(
    tmp_path: Path, bucket: Path, environments: PythonEnvironments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look every minute would fill a disk."""
    monkeypatch.setattr("shipway.monitor.program.MOST_LOOKS", 2)
    monitoring = program(tmp_path, bucket, environments)
    monitoring.baseline("dev", release(), None, None, silently)
    looks = [monitoring.look("dev", release(), WINDOW, (), silently).folder for _ in range(3)]
    assert looks[1:] == sorted(str(one) for one in Path(looks[0]).parent.iterdir())


def test_hours_of_versions_that_nobody_looks_at_any_more_are_removed(
    tmp_path: Path, bucket: Path, environments: PythonEnvironments
) -> None:
    """Those of the version that is looked at stay, and of two others, for a rollback."""
    monitoring = program(tmp_path, bucket, environments)
    hours = bucket / "monitoring-hours" / "hello-dev"
    for age, version in enumerate(("v0.9", "v0.8", "v0.7", "v1.0")):
        (hours / version).mkdir(parents=True)
        os.utime(hours / version, (NOON - age, NOON - age))
    monitoring.baseline("dev", release(), None, None, silently)
    monitoring.look("dev", release(), WINDOW, (), silently)
    assert {"v0.8", "v0.9", "v1.0"} == {one.name for one in hours.iterdir()}


def test_where_nothing_is_captured_the_fix_is_named(tmp_path: Path, environments: PythonEnvironments) -> None:
    """The setting that is lacking."""
    python: Callable[..., Path] = lambda lock, tell: environments.python(lock, "monitoring", tell)  # noqa: E731
    nowhere = ProgramMonitoring(python, ROOT, run_bounded, lambda *_: None, lambda _: tmp_path, tmp_path)
    with pytest.raises(Refused) as refused:
        nowhere.look("dev", release(), WINDOW, (), silently)
    assert "CAPTURE" in refused.value.fix
