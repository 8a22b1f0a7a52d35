"""The platform's rules for a training container.

Pages of the SageMaker developer guide: "How SageMaker AI Provides Training Information"
(your-algorithms-training-algo-running-container), "How SageMaker AI Processes Training Output"
(your-algorithms-training-algo-output).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.contracts.conftest import Job, Train

REASON = 1024


def test_exit_code_0_and_no_failure_file_on_success(trained: Job) -> None:
    """A job whose program exits with 0 is Completed; `/opt/ml/output/failure` is for jobs that fail."""
    assert (0, None) == (trained.exit_code, trained.failure)


def test_hyperparameters_are_strings(trained: Job) -> None:
    """“All hyperparameters are strings” in hyperparameters.json: the program makes numbers of them."""
    used = json.loads((trained.root / "model" / "metadata.json").read_text())["hyperparameters"]
    assert (40, 0.2) == (used["rounds"], used["learning_rate"])


def test_model_artifacts_are_whole(trained: Job) -> None:
    """“Your algorithm should write all final model artifacts to” /opt/ml/model: those, as described, and no others."""
    folder = trained.root / "model"
    described = json.loads((folder / "metadata.json").read_text())["files"]
    assert {"metadata.json", *described} == {path.name for path in folder.iterdir()}
    for name, entry in described.items():
        content = (folder / name).read_bytes()
        assert (entry["bytes"], entry["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


def test_the_platforms_files_are_left_alone(trained: Job) -> None:
    """Under /opt/ml/input the platform lays configuration and channels, which a job reads and never writes."""
    found = {str(path.relative_to(trained.root)) for path in (trained.root / "input").rglob("*") if path.is_file()}
    names = ("hyperparameters", "inputdataconfig", "resourceconfig")
    assert {f"input/config/{name}.json" for name in names} == found


@pytest.mark.parametrize(
    ("hyperparameters", "reason"),
    [
        ({"rounds": "0"}, "1 to 5000"),
        ({"no-such-parameter": "1"}, "no-such-parameter"),
        ({"rounds": 40}, "string"),
        ({"author": "x", "no-such-parameter": "y" * 5000}, "no-such-parameter"),
    ],
)
def test_failure_says_why(train: Train, tmp_path: Path, hyperparameters: dict[str, object], reason: str) -> None:
    """“SageMaker returns the first 1024 characters from [the failure] file as FailureReason”; the exit code is not 0."""
    job = train(tmp_path / "ml", hyperparameters)
    assert 1 == job.exit_code, job.output
    assert job.failure is not None
    assert reason in job.failure[:REASON]
    assert len(job.failure) <= REASON
    assert [] == list((job.root / "model").iterdir())
