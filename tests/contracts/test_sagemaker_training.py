"""The platform's rules for a training container, and for the processing containers of the other steps.

Pages of the SageMaker developer guide: "How SageMaker AI Runs Your Training Image" (your-algorithms-training-algo-dockerfile),
"How SageMaker AI Provides Training Information" (your-algorithms-training-algo-running-container), "How SageMaker AI
Processes Training Output" (your-algorithms-training-algo-output), "Use Checkpoints" (model-checkpoints), "How Amazon
SageMaker Processing Runs Your Processing Container Image" (build-your-own-processing-container); of its API reference:
StopTrainingJob.
"""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.conftest import DAYS
from tests.contracts.images import Image, built
from tests.contracts.programs import ROOT, Program
from tests.contracts.training_jobs import Job, Trainer, failure
from tests.waiting import wait_for

REASON = 1024
PROMPTLY = 60.0
SEARCH = ["--vary", "leaves=4..31", "--set", "rounds=5", "--trials", "3"]
LONG = {"rounds": "5000", "leaves": "255"}


@pytest.fixture(scope="module")
def training_image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    with built("training", tmp_path_factory.mktemp("image")) as image:
        yield image


@pytest.fixture(scope="module", params=["process", "container"])
def trainer(request: pytest.FixtureRequest, training: Program, prepared: Job) -> Trainer:
    """The training's start, both ways that there are."""
    image = request.getfixturevalue("training_image") if request.param == "container" else None
    return Trainer(training, image, prepared.output_folder("training"))


@pytest.fixture(scope="module")
def job(trainer: Trainer, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A job that succeeded."""
    # what a tuning job adds of its own
    given = {"rounds": "60", "learning-rate": "0.2", "block": "20", "_tuning_objective_metric": "auc"}
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
    used = json.loads((job.root / "model" / "training.json").read_text())["parameters"]
    assert (60, 0.2) == (used["rounds"], used["learning_rate"])


def test_model_artifacts_are_whole(job: Job) -> None:
    """“Your algorithm should write all final model artifacts to” /opt/ml/model: those, as described, and no others."""
    folder = job.root / "model"
    assert {"model.txt", "training.json"} == {path.name for path in folder.iterdir()}
    described = json.loads((folder / "training.json").read_text())
    assert described["sha256"] == hashlib.sha256((folder / "model.txt").read_bytes()).hexdigest()


def test_the_platforms_files_are_left_alone(job: Job) -> None:
    """Under /opt/ml/input the platform lays configuration and channels, which a job reads and never writes."""
    found = {str(path.relative_to(job.root)) for path in (job.root / "input").rglob("*") if path.is_file()}
    names = ("hyperparameters", "inputdataconfig", "resourceconfig")
    assert {"input/data/training/rows.parquet", *(f"input/config/{name}.json" for name in names)} == found


@pytest.mark.parametrize(
    ("hyperparameters", "reason"),
    [
        ({"rounds": "0"}, "1 to 5000"),
        ({"no-such-parameter": "1"}, "no-such-parameter"),
        ({"round": "1"}, "rounds"),
        ({"output": "/elsewhere"}, "output"),
        ({"rounds": 40}, "string"),
        ({"leaves": "7", "no-such-parameter": "y" * 5000}, "no-such-parameter"),
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
            wait_for(lambda: "training: " in log.read_text())
        else:
            # what it does first, long before its libraries are loaded
            (root / "output" / "failure").write_text("an earlier job's")
            wait_for(lambda: not (root / "output" / "failure").exists())
        process.send_signal(signal.SIGTERM)
        assert 128 + signal.SIGTERM == process.wait(PROMPTLY)
    assert "stopped by SIGTERM" in (failure(root) or "")
    assert [] == list((root / "model").iterdir())


@pytest.mark.lengthy
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_job_that_was_killed_goes_on_from_its_checkpoint(
    trainer: Trainer, job: Job, tmp_path: Path, how: signal.Signals
) -> None:
    """“Checkpoints … resume” a job that a spot interruption ended, by either signal: same bytes, no block grown twice."""
    root, log = tmp_path / "ml", tmp_path / "log"
    with trainer.running(root, {"rounds": "60", "learning-rate": "0.2", "block": "20"}, log) as process:
        wait_for(lambda: "20 trees" in log.read_text() and (root / "checkpoints" / "checkpoint.json").exists())
        process.send_signal(how)
        process.wait(PROMPTLY)
    again = trainer.again(root)
    assert 0 == again.exit_code, again.output
    assert "going on after " in again.output
    for name in ("model.txt", "training.json"):
        assert (job.root / "model" / name).read_bytes() == (root / "model" / name).read_bytes()


@pytest.mark.lengthy
@pytest.mark.parametrize("step", ["prepare", "tune", "evaluate", "bias", "package"])
def test_processing_jobs(
    trainer: Trainer, training_data: Path, prepared: Job, trained: Job, tmp_path: Path, step: str
) -> None:
    """Inputs below `/opt/ml/processing/input` are read, outputs written below `/opt/ml/processing/output`: exit code 0.

    “ExitMessage” comes from `/opt/ml/output/message`, at most 1 KB of it: of jobs that fail.
    """
    model = {"model": trained.root / "model", **{name: prepared.output_folder(name) for name in ("test", "prepared")}}
    data = {name: training_data / name for name in ("flights", "weather")}
    words, inputs, outputs = {
        "prepare": (list(DAYS), data, {"training/rows.parquet", "test/rows.parquet", "prepared/prepared.json"}),
        "tune": (SEARCH, {"training": prepared.output_folder("training")}, {"tuning/tuning.json"}),
        "evaluate": ([], model, {"evaluation/evaluation.json", "latency/latency.json"}),
        "bias": (["--facet", "origin=EWR", "--facet", "distance>1000"], model, {"bias/analysis.json"}),
        "package": (
            [],
            {**model, "training": prepared.output_folder("training")},
            {f"package/{name}" for name in ("model.txt", "holdout.csv", "baseline.csv", "metadata.json")},
        ),
    }[step]
    job = trainer.process(tmp_path / "ml", step, words, inputs)
    assert (0, None) == (job.exit_code, job.message), job.output
    folder = job.root / "processing" / "output"
    assert outputs == {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_processing_job_that_fails_says_why(trainer: Trainer, tmp_path: Path) -> None:
    """Exit code 1, and the reason in `/opt/ml/output/message`: an input that is not there is named."""
    job = trainer.process(tmp_path / "ml", "prepare", [], {})
    assert 1 == job.exit_code, job.output
    assert "processing/input/flights: found no file" in (job.message or "")


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
    training: Program, prepared: Job, training_image: Image, tmp_path: Path, options: list[str], code: int,
    reason: str | None,
) -> None:  # fmt: skip
    """It needs no more than its model folder to be writable, by whatever user it runs as; without that it says so."""
    root = tmp_path / "ml"
    trainer = Trainer(training, training_image, prepared.output_folder("training"))
    job = trainer.run(root, {"rounds": "5"}, options)
    assert (code, reason is None) == (job.exit_code, job.failure is None), job.output
    assert reason is None or reason in (job.failure or "")


def test_image_without_an_output_folder_still_fails(
    training_image: Image, training: Program, prepared: Job, tmp_path: Path
) -> None:
    """Where no reason can be written, exit code and log tell it."""
    trainer = Trainer(training, training_image, prepared.output_folder("training"))
    job = trainer.run(tmp_path / "ml", {"rounds": "0"}, ["--tmpfs", "/opt/ml/output:ro"])
    assert (1, None) == (job.exit_code, job.failure)
    assert "1 to 5000" in job.output
    assert "cannot write /opt/ml/output/failure" in job.output
