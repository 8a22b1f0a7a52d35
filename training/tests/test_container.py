"""The contract of the train step, and what all steps share of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conftest import lay_out, reason, run, train
from training.container import BASE_VARIABLE, main


def failure(base: Path) -> str:
    """What the platform shows as FailureReason."""
    return reason(base, "failure")


def test_hyperparameters_shape_the_model(prepared: Path, tmp_path: Path) -> None:
    """Strings from the platform become options, its own are passed over, and an earlier job's failure is gone."""
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "failure").write_text("an earlier job's")
    given = {"rounds": "5", "_tuning_objective_metric": "auc", "sagemaker_region": "x"}
    assert 0 == train(tmp_path, prepared, given)
    described = json.loads((tmp_path / "model" / "training.json").read_text())
    assert 5 == described["parameters"]["rounds"]
    assert {"model.txt", "training.json"} == {path.name for path in (tmp_path / "model").iterdir()}
    assert not (tmp_path / "output" / "failure").exists()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"rounds": "many"}, "--rounds: invalid int value: 'many'"),
        ({"rounds": 5}, "rounds: found 5, allowed is a string"),
        ({"depth": "3"}, "found depth, allowed are rounds, learning-rate, leaves, block"),
        ({"output": "/elsewhere"}, "found output, allowed are"),
        ({"help": ""}, "found help, allowed are"),
        (["rounds"], 'found ["rounds"], allowed is a JSON object'),
    ],
)
def test_a_failure_says_why(tmp_path: Path, wrong: object, words: str) -> None:
    """A wrong hyperparameter fails the job; the reason names what was found and what is allowed."""
    lay_out(tmp_path, wrong)
    assert 1 == run(tmp_path, "train")
    assert words in failure(tmp_path)


def test_a_channel_without_data_is_said(tmp_path: Path) -> None:
    """A job whose channel is empty fails and names the folder."""
    lay_out(tmp_path, {})
    assert 1 == run(tmp_path, "train")
    assert "input/data/training: found no file, allowed are files that end with .csv or .parquet" in failure(tmp_path)


def test_a_reason_is_short_and_whole_text(tmp_path: Path) -> None:
    """Of a long reason the platform's 1024 characters are kept, counted in bytes and cut between characters."""
    lay_out(tmp_path, {"rounds": "☃\ud800" * 5000})
    assert 1 == run(tmp_path, "train")
    assert 1024 - 3 <= len(failure(tmp_path).encode()) <= 1024


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    """Without hyperparameters.json, or with half of one, the reason names the file."""
    assert 1 == run(tmp_path, "train")
    assert f"{tmp_path}/input/config/hyperparameters.json is missing" in failure(tmp_path)
    lay_out(tmp_path, {})
    (tmp_path / "input" / "config" / "hyperparameters.json").write_text('{"rounds": ')
    assert 1 == run(tmp_path, "train")
    assert "hyperparameters.json: expected a JSON object" in failure(tmp_path)


def test_a_job_of_several_instances_is_refused(tmp_path: Path) -> None:
    """Two hosts would write the same files into the one model."""
    lay_out(tmp_path, {}, resourceconfig={"current_host": "algo-1", "hosts": ["algo-1", "algo-2"]})
    assert 1 == run(tmp_path, "train")
    assert "found 2 hosts, allowed is 1" in failure(tmp_path)


@pytest.mark.parametrize("arguments", [["serve"], [], ["train", "--rounds=5"]])
def test_other_words_are_refused(tmp_path: Path, arguments: list[str]) -> None:
    """A step's name is understood, and no option of `train`."""
    assert 2 == run(tmp_path, *arguments)


@pytest.mark.parametrize("folder", ["relative", "/no/such/folder", "/dev/null"])
def test_a_wrong_base_folder_is_refused(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The base folder must be there; the error names the variable."""
    assert 2 == main(["train"], {BASE_VARIABLE: folder})
    assert f"SAGEMAKER_BASE_DIR: found '{folder}', allowed is the absolute path" in capsys.readouterr().err
