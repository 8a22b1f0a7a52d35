"""The training container's contract."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from training.container import BASE_VARIABLE, STOPS, main


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The program takes the process's signals for itself; here they are given back."""
    before = {number: signal.getsignal(number) for number in STOPS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def configure(root: Path, hyperparameters: object, **more: object) -> None:
    """Write what the platform writes."""
    folder = root / "input" / "config"
    folder.mkdir(parents=True)
    for name, content in {"hyperparameters": hyperparameters, **more}.items():
        (folder / f"{name}.json").write_text(json.dumps(content))


def train(root: Path) -> int:
    """The job's exit code."""
    return main(["train"], {BASE_VARIABLE: str(root)})


def reason(root: Path) -> str:
    """What the platform shows as FailureReason."""
    return (root / "output" / "failure").read_text(encoding="utf-8")


def test_hyperparameters_shape_the_model(tmp_path: Path) -> None:
    """Strings from the platform become options, its own are passed over, and an earlier job's failure is gone."""
    days = {"from": "2013-01-01", "until": "2013-02-01", "test-until": "2013-02-15"}
    configure(tmp_path, {**days, "rounds": "5", "_tuning_objective_metric": "auc", "sagemaker_region": "x"})
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "failure").write_text("an earlier job's")
    assert 0 == train(tmp_path)
    metadata = json.loads((tmp_path / "model" / "metadata.json").read_text())
    assert 5 == metadata["hyperparameters"]["rounds"]
    assert not (tmp_path / "output" / "failure").exists()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"rounds": "many"}, "--rounds: invalid int value: 'many'"),
        ({"rounds": 5}, "rounds: found 5, allowed is a string"),
        ({"depth": "3"}, "found depth, allowed are from, until, test-until, rounds"),
        ({"output": "/elsewhere"}, "found output, allowed are"),
        ({"help": ""}, "found help, allowed are"),
        (["rounds"], 'found ["rounds"], allowed is a JSON object'),
    ],
)
def test_a_failure_says_why(tmp_path: Path, wrong: object, words: str) -> None:
    """A wrong hyperparameter fails the job; the reason names what was found and what is allowed."""
    configure(tmp_path, wrong)
    assert 1 == train(tmp_path)
    assert words in reason(tmp_path)


def test_a_reason_is_short_and_whole_text(tmp_path: Path) -> None:
    """Of a long reason the platform's 1024 characters are kept, counted in bytes and cut between characters."""
    configure(tmp_path, {"rounds": "☃\ud800" * 5000})
    assert 1 == train(tmp_path)
    assert 1024 - 3 <= len(reason(tmp_path).encode()) <= 1024


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    """Without hyperparameters.json, or with half of one, the reason names the file."""
    assert 1 == train(tmp_path)
    assert f"{tmp_path}/input/config/hyperparameters.json is missing" in reason(tmp_path)
    configure(tmp_path, {})
    (tmp_path / "input" / "config" / "hyperparameters.json").write_text('{"rounds": ')
    assert 1 == train(tmp_path)
    assert "hyperparameters.json: expected a JSON object" in reason(tmp_path)


def test_a_job_of_several_instances_is_refused(tmp_path: Path) -> None:
    """Two hosts would write the same files into the one model."""
    configure(tmp_path, {}, resourceconfig={"current_host": "algo-1", "hosts": ["algo-1", "algo-2"]})
    assert 1 == train(tmp_path)
    assert "found 2 hosts, allowed is 1" in reason(tmp_path)


@pytest.mark.parametrize("arguments", [["serve"], [], ["train", "--rounds=5"]])
def test_other_words_are_refused(tmp_path: Path, arguments: list[str]) -> None:
    """Only `train` is understood."""
    assert 2 == main(arguments, {BASE_VARIABLE: str(tmp_path)})


@pytest.mark.parametrize("folder", ["relative", "/no/such/folder", "/dev/null"])
def test_a_wrong_base_folder_is_refused(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The base folder must be there; the error names the variable."""
    assert 2 == main(["train"], {BASE_VARIABLE: folder})
    assert f"SAGEMAKER_BASE_DIR: found '{folder}', allowed is the absolute path" in capsys.readouterr().err
