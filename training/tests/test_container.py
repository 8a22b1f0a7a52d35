"""The training container's contract."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from training.container import main


def configure(root: Path, hyperparameters: dict[str, object]) -> None:
    """Write what the platform writes."""
    folder = root / "input" / "config"
    folder.mkdir(parents=True)
    (folder / "hyperparameters.json").write_text(json.dumps(hyperparameters))


def test_hyperparameters_shape_the_model(tmp_path: Path) -> None:
    """Strings from the platform become options, and the model lies where it is picked up."""
    days = {"from": "2013-01-01", "until": "2013-02-01", "test-until": "2013-02-15"}
    configure(tmp_path, {**days, "rounds": "5", "output": "/elsewhere"})
    assert 0 == main(["train"], tmp_path)
    metadata = json.loads((tmp_path / "model" / "metadata.json").read_text())
    assert 5 == metadata["hyperparameters"]["rounds"]
    assert not (tmp_path / "output" / "failure").exists()


@pytest.mark.parametrize("wrong", [{"rounds": "many"}, {"rounds": 5}, {"depth": "3"}])
def test_a_failure_says_why(tmp_path: Path, wrong: dict[str, object]) -> None:
    """A wrong hyperparameter fails the job, and the reason names it."""
    configure(tmp_path, wrong)
    assert 1 == main(["train"], tmp_path)
    assert next(iter(wrong)) in (tmp_path / "output" / "failure").read_text()


def test_another_verb_is_refused(tmp_path: Path) -> None:
    """Only `train` is understood."""
    assert 2 == main(["serve"], tmp_path)
