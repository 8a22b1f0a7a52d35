"""The program that writes to MLflow as the command starts it: a small one in its place, in a real environment."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import asdict, fields
from pathlib import Path

import pytest

from shipway.cli import tracker
from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.core.training.tracked import TrackedRun

ROOT = Path(__file__).resolve().parents[2]
RUN = asdict(TrackedRun("k", "ontime", "ontime training 7", "FINISHED", 1.0, 2.0, {}, {}, {}))
PROGRAM = """
import json, os, sys
from pathlib import Path
folder = Path(sys.argv[1])
job = json.loads((folder / "job.json").read_text())
answers = {
    "sqlite:///there.db": {"outcome": "new", "run_id": os.environ["MLFLOW_TRACKING_TOKEN"], "experiment": os.getcwd()},
    "sqlite:///full.db": {"refused": "the disk is full"},
}
if job["to"] not in answers:
    sys.exit("no such database")
assert job["run"]["key"] == "k" and Path(job["lock"]).parent.is_dir()
(folder / "answer.json").write_text(json.dumps(answers[job["to"]]))
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An app's folder, the current one; and a program that writes nowhere."""
    root = tmp_path / "app"
    (root / ".shipway").mkdir(parents=True)
    (root / "shipway.yaml").write_text("app: hello\n")
    source = tmp_path / "programs" / tracker.PROGRAM / "src" / "mlflow_export"
    source.mkdir(parents=True)
    (source / "__init__.py").touch()
    (source / "__main__.py").write_text(PROGRAM)
    (source.parent.parent / "requirements.lock").touch()
    monkeypatch.setattr(tracker, "programs", lambda: tmp_path / "programs")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "of great value")
    monkeypatch.chdir(root)
    return root


def test_the_program_runs_where_the_caller_is_with_the_callers_credentials(app: Path) -> None:
    """So MLflow finds what it would find without us; nothing of it stands in the list of processes."""
    answer = tracker.send(RUN, "sqlite:///there.db", lambda _: None)
    assert {"outcome": "new", "run_id": "of great value", "experiment": str(app)} == answer


def test_what_mlflow_refuses_is_said_with_what_to_do(app: Path) -> None:
    with pytest.raises(Refused, match="MLflow refused: the disk is full") as refused:
        tracker.send(RUN, "sqlite:///full.db", lambda _: None)
    assert "the same command" in refused.value.fix


def test_a_program_that_dies_is_a_fault_with_its_last_words(app: Path) -> None:
    with pytest.raises(ShipwayError, match="no such database"):
        tracker.send(RUN, "sqlite:///unknown.db", lambda _: None)


@pytest.mark.parametrize(
    "to", ["https://mlflow.example.org/x", "http://localhost:5000", "sqlite:///m.db", "sqlite:////a/m.db"]
)
def test_servers_and_databases_are_addresses(to: str) -> None:
    tracker.check_address(to)


@pytest.mark.parametrize(
    ("to", "fix"),
    [
        ("runs", "give --to sqlite:///runs/mlflow.db"),
        ("file:/tmp/runs", "give --to sqlite:////tmp/runs/mlflow.db"),
        ("file:///tmp/runs/", "give --to sqlite:////tmp/runs/mlflow.db"),
        (".", "give --to sqlite:///./mlflow.db"),
        ("sqlite:///", "or a database such as sqlite:///mlflow.db"),
        ("http://", "or a database such as sqlite:///mlflow.db"),
        ("postgresql://db/x", "or a database such as sqlite:///mlflow.db"),
        ("http://[", "give one such as https://mlflow.example.org"),
        ("https://ann:secret@host:5000/x", "MLFLOW_TRACKING_PASSWORD, and give --to https://host:5000/x"),
    ],
)
def test_what_is_no_address_is_said_with_one_that_is(to: str, fix: str) -> None:
    """A password is not repeated."""
    with pytest.raises(UsageError) as refused:
        tracker.check_address(to)
    assert refused.value.fix.endswith(fix)
    assert "secret" not in f"{refused.value.what}{refused.value.fix}"


def test_the_program_takes_what_a_training_is_told_as() -> None:
    """Each field has the same name on both sides."""
    path = ROOT / "mlflow-export" / "src" / "mlflow_export" / "run.py"
    spec = importlib.util.spec_from_file_location("mlflow_export_run", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
        assert [field.name for field in fields(TrackedRun)] == [field.name for field in fields(module.Run)]
    finally:
        del sys.modules[spec.name]
