"""The platform's rules for a training container.

Pages of the SageMaker developer guide: "How SageMaker AI Runs Your Training Image" (your-algorithms-training-algo-dockerfile),
"How SageMaker AI Provides Training Information" (your-algorithms-training-algo-running-container), "How SageMaker AI
Processes Training Output" (your-algorithms-training-algo-output); of its API reference: StopTrainingJob.
"""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.images import Image, built
from tests.contracts.programs import ROOT, Program
from tests.contracts.training_jobs import Job, Trainer, failure
from tests.waiting import wait_for

REASON = 1024
PROMPTLY = 60.0
LONG = {"rounds": "5000", "leaves": "255"}


@pytest.fixture(scope="module")
def training_image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    with built("training", tmp_path_factory.mktemp("image")) as image:
        yield image


@pytest.fixture(scope="module", params=["process", "container"])
def trainer(request: pytest.FixtureRequest, training: Program) -> Trainer:
    """The training's start, both ways that there are."""
    return Trainer(training, request.getfixturevalue("training_image") if request.param == "container" else None)


@pytest.fixture(scope="module")
def job(trainer: Trainer, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A job that succeeded."""
    # what a tuning job adds of its own
    given = {"rounds": "40", "learning-rate": "0.2", "_tuning_objective_metric": "auc"}
    job = trainer.run(tmp_path_factory.mktemp("training") / "ml", given)
    assert 0 == job.exit_code, job.output
    return job


def test_image_starts_one_program_in_exec_form() -> None:
    """“The exec form of the ENTRYPOINT instruction” runs the program as PID 1, so that SIGTERM reaches it."""
    lines = (ROOT / "training" / "Dockerfile").read_text().splitlines()
    (entry,) = [line for line in lines if line.startswith("ENTRYPOINT")]
    assert ["python", "-m", "training.container"] == json.loads(entry.removeprefix("ENTRYPOINT"))


def test_exit_code_0_and_no_failure_file_on_success(job: Job) -> None:
    """A job whose program exits with 0 is Completed; `/opt/ml/output/failure` is for jobs that fail."""
    assert (0, None) == (job.exit_code, job.failure)


def test_hyperparameters_are_strings(job: Job) -> None:
    """“All hyperparameters are strings” in hyperparameters.json: the program makes numbers of them."""
    used = json.loads((job.root / "model" / "metadata.json").read_text())["hyperparameters"]
    assert (40, 0.2) == (used["rounds"], used["learning_rate"])


def test_model_artifacts_are_whole(job: Job) -> None:
    """“Your algorithm should write all final model artifacts to” /opt/ml/model: those, as described, and no others."""
    folder = job.root / "model"
    described = json.loads((folder / "metadata.json").read_text())["files"]
    assert {"metadata.json", *described} == {path.name for path in folder.iterdir()}
    for name, entry in described.items():
        content = (folder / name).read_bytes()
        assert (entry["bytes"], entry["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


def test_the_platforms_files_are_left_alone(job: Job) -> None:
    """Under /opt/ml/input the platform lays configuration and channels, which a job reads and never writes."""
    found = {str(path.relative_to(job.root)) for path in (job.root / "input").rglob("*") if path.is_file()}
    names = ("hyperparameters", "inputdataconfig", "resourceconfig")
    assert {f"input/config/{name}.json" for name in names} == found


@pytest.mark.parametrize(
    ("hyperparameters", "reason"),
    [
        ({"rounds": "0"}, "1 to 5000"),
        ({"no-such-parameter": "1"}, "no-such-parameter"),
        ({"round": "1"}, "rounds"),
        ({"output": "/elsewhere"}, "output"),
        ({"rounds": 40}, "string"),
        ({"author": "x", "no-such-parameter": "y" * 5000}, "no-such-parameter"),
        ({"rounds": "\N{SNOWMAN}\ud800" * 5000}, "--rounds"),
    ],
)
def test_failure_says_why(trainer: Trainer, tmp_path: Path, hyperparameters: dict[str, object], reason: str) -> None:
    """“SageMaker returns the first 1024 characters from [the failure] file as FailureReason”; the exit code is not 0."""
    job = trainer.run(tmp_path / "ml", hyperparameters)
    assert 1 == job.exit_code, job.output
    assert job.failure is not None
    assert reason in job.failure
    # even a platform that counted bytes would cut nothing off
    assert len(job.failure.encode()) <= REASON
    assert [] == list((job.root / "model").iterdir())


@pytest.mark.parametrize("moment", ["while it starts", "while it trains"])
def test_sigterm_ends_it_at_once_without_a_model(trainer: Trainer, tmp_path: Path, moment: str) -> None:
    """“SageMaker sends the algorithm the SIGTERM signal, which delays job termination for 120 seconds”: it needs none."""
    root, log = tmp_path / "ml", tmp_path / "log"
    with trainer.running(root, LONG, log) as process:
        if moment == "while it trains":
            wait_for(lambda: "test: " in log.read_text())
        else:
            # what it does first, long before its libraries are loaded
            (root / "output" / "failure").write_text("an earlier job's")
            wait_for(lambda: not (root / "output" / "failure").exists())
        process.send_signal(signal.SIGTERM)
        assert 128 + signal.SIGTERM == process.wait(PROMPTLY)
    assert "stopped by SIGTERM" in (failure(root) or "")
    assert [] == list((root / "model").iterdir())


@pytest.mark.parametrize(
    ("options", "code", "reason"),
    [
        (["--read-only"], 0, None),
        (["--user", "10001"], 0, None),
        (["--user", "10001", "--read-only", "--cap-drop", "ALL"], 0, None),
        (["--tmpfs", "/opt/ml/model:size=64k"], 1, "No space left"),
        (["--tmpfs", "/opt/ml/model:ro"], 1, "/opt/ml/model cannot be written"),
        (["--tmpfs", "/opt/ml/output:ro"], 0, None),
    ],
)
def test_image_where_less_is_allowed(
    training: Program, training_image: Image, tmp_path: Path, options: list[str], code: int, reason: str | None
) -> None:
    """It needs no more than its model folder to be writable, by whatever user it runs as; without that it says so."""
    root = tmp_path / "ml"
    days = {"from": "2013-01-01", "until": "2013-02-01", "test-until": "2013-02-15", "rounds": "5"}
    job = Trainer(training, training_image).run(root, days, options)
    assert (code, reason is None) == (job.exit_code, job.failure is None), job.output
    assert reason is None or reason in (job.failure or "")


def test_image_without_an_output_folder_still_fails(training_image: Image, training: Program, tmp_path: Path) -> None:
    """Where no reason can be written, exit code and log tell it."""
    root = tmp_path / "ml"
    job = Trainer(training, training_image).run(root, {"rounds": "0"}, ["--tmpfs", "/opt/ml/output:ro"])
    assert (1, None) == (job.exit_code, job.failure)
    assert "1 to 5000" in job.output
    assert "cannot write /opt/ml/output/failure" in job.output
