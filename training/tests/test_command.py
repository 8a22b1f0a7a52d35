"""The command line, from arguments to files."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl
import pytest

from training.__main__ import main, parse, run
from training.features import NAMES, schema_digest
from training.package import write_model

SHORT = ["--from", "2013-01-01", "--until", "2013-02-01", "--test-until", "2013-02-15", "--rounds", "15"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of January."""
    folder = tmp_path_factory.mktemp("model")
    assert 0 == main(["--output", str(folder), "--author", "maria", *SHORT])
    return folder


def read(folder: Path) -> dict[str, Any]:
    """metadata.json."""
    content: dict[str, Any] = json.loads((folder / "metadata.json").read_text())
    return content


def test_metadata_pins_the_files(trained: Path) -> None:
    """The digests, the sizes and the schema's digest are those of what was written."""
    metadata = read(trained)
    written = {path.name: path.read_bytes() for path in trained.iterdir() if path.name != "metadata.json"}
    entries = {name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in written.items()}
    assert entries == metadata["files"]
    assert {"model.txt", "holdout.csv", "baseline.csv"} == set(entries)
    assert schema_digest(metadata["feature_schema"]) == metadata["feature_schema_digest"]
    assert ["maria", "pending", 15] == [
        metadata["author"], metadata["approval"]["status"], metadata["hyperparameters"]["rounds"]
    ]  # fmt: skip
    assert list(NAMES) == [feature["name"] for feature in metadata["feature_schema"]["features"]]


def test_golden_predictions_follow_from_the_files_alone(trained: Path) -> None:
    """Encoding a golden request by the written schema and asking the written model gives its prediction."""
    metadata = read(trained)
    booster = lightgbm.Booster(model_file=trained / "model.txt")
    assert 20 == len(metadata["golden"])
    for golden in metadata["golden"]:
        row = []
        for feature in metadata["feature_schema"]["features"]:
            value = golden["instance"][feature["name"]]
            if feature["type"] == "category":
                value = feature["values"].index(value) if value in feature["values"] else None
            else:
                assert value is None or feature["minimum"] <= value <= feature["maximum"]
            assert value is not None or feature["nullable"]
            row.append(np.nan if value is None else float(value))
        predicted = np.asarray(booster.predict(np.array([row]), num_threads=1))[0]
        assert pytest.approx(golden["prediction"], abs=1e-12) == predicted


def test_the_same_arguments_give_the_same_bytes(trained: Path, tmp_path: Path, table: pl.DataFrame) -> None:
    """Training is reproducible; other settings give another model of the same data."""
    for folder, more in (("same", []), ("other", ["--learning-rate", "0.2"])):
        run(parse(["--output", str(tmp_path / folder), *SHORT, *more]), table, "sha256:0", lambda line: None)
    assert (trained / "model.txt").read_bytes() == (tmp_path / "same" / "model.txt").read_bytes()
    assert (trained / "model.txt").read_bytes() != (tmp_path / "other" / "model.txt").read_bytes()
    assert (trained / "holdout.csv").read_bytes() == (tmp_path / "same" / "holdout.csv").read_bytes()
    same, other = read(tmp_path / "same"), read(tmp_path / "other")
    digest = read(trained)["dataset_version"]
    assert ({**read(trained), "author": "training"}) == json.loads(json.dumps(same).replace("sha256:0", digest))
    assert same["hyperparameters"] != other["hyperparameters"]


def test_trained_at_is_the_datas(trained: Path) -> None:
    """No clock is in metadata.json: its time is the end of the training's window, and lineage says the rest."""
    metadata = read(trained)
    assert "2013-02-01T00:00:00Z" == metadata["trained_at"]
    window = {"from": "2013-01-01", "until": "2013-02-01", "test_until": "2013-02-15"}
    assert {"digest": metadata["dataset_version"], **window} == metadata["lineage"]["data"]
    assert 15 == metadata["lineage"]["parameters"]["rounds"]


def test_a_window_without_flights_is_refused(tmp_path: Path, table: pl.DataFrame) -> None:
    """Days outside the data are an error that says so, and nothing is written."""
    days = ["--from", "2015-01-01", "--until", "2015-02-01", "--test-until", "2015-03-01"]
    options = parse(["--output", str(tmp_path / "none"), *days])
    with pytest.raises(ValueError, match="the data covers 2013-01-01 to 2013-12-31"):
        run(options, table, "sha256:0", lambda line: None)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        ["--until", "2012-01-01"],
        ["--rounds", "0"],
        ["--learning-rate", "0"],
        ["--leaves", "1"],
        ["--from", "soon"],
        ["--block", "0"],
    ],
)
def test_wrong_arguments_are_refused(tmp_path: Path, wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A value that cannot be is refused before any work, with exit code 2."""
    assert 2 == main(["--output", str(tmp_path / "none"), *wrong])
    assert capsys.readouterr().err.startswith("error: ")
    assert not (tmp_path / "none").exists()


def test_options_are_not_guessed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The beginning of an option's name is no option."""
    assert 2 == main(["--output", str(tmp_path / "none"), "--round", "5"])
    assert "--round" in capsys.readouterr().err


def test_a_full_disk_leaves_the_model_before(tmp_path: Path) -> None:
    """When a file cannot be written, those of an earlier model are as they were, and nothing lies beside them."""
    write_model(tmp_path, {"model.txt": b"before"}, {"version": 1})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    blocked = tmp_path / f".holdout.csv.{os.getpid()}"
    blocked.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        write_model(tmp_path, {"model.txt": b"after", "holdout.csv": b"rows"}, {"version": 2})
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
