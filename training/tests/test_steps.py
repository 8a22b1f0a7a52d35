"""The steps one after the other, each on what the one before left."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from datetime import date
from pathlib import Path
from typing import Any

import lightgbm
import polars as pl
import pytest

from conftest import WINDOWS, reason, run, step, train
from training.__main__ import main
from training.steps import train as train_step


def read(path: Path) -> Any:
    """A JSON file's content."""
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def packaged(prepared: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the package step leaves."""
    base = tmp_path_factory.mktemp("package")
    lineage = base / "lineage"
    lineage.mkdir()
    (lineage / "lineage.json").write_text(json.dumps({"author": "maria", "commit": "9f2c1e", "parent": "v1.0"}))
    inputs = {name: prepared / name for name in ("training", "test", "prepared")}
    inputs |= {"model": model, "lineage": lineage}
    assert 0 == step(base, "package", inputs=inputs)
    return base / "processing" / "output" / "package"


@pytest.fixture(scope="module")
def evaluated(prepared: Path, model: Path, packaged: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """evaluation.json of a model beside a champion with its first tree alone."""
    base = tmp_path_factory.mktemp("evaluate")
    champion = base / "champion"
    shutil.copytree(packaged, champion)
    text = lightgbm.Booster(model_file=champion / "model.txt").model_to_string(num_iteration=1)
    (champion / "model.txt").write_text(text)
    described = read(champion / "metadata.json")
    described["files"]["model.txt"]["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    (champion / "metadata.json").write_text(json.dumps(described))
    assert 0 == step(base, "evaluate", inputs={"model": model, "test": prepared / "test", "champion": champion})
    latency = read(base / "processing" / "output" / "latency" / "latency.json")
    assert latency["ratio"] == latency["candidate_us"] / latency["champion_us"]
    return read(base / "processing" / "output" / "evaluation" / "evaluation.json")


def test_the_steps_make_the_commands_model(bucket: Path, packaged: Path, tmp_path: Path) -> None:
    """Step by step or in one program: the same model, held-out rows and metadata, byte for byte but for the lineage."""
    words = ["--output", str(tmp_path), "--data", str(bucket), "--author", "maria", "--rounds", "12", "--block", "5"]
    assert 0 == main([*words, *WINDOWS])
    for name in ("model.txt", "holdout.csv", "baseline.csv"):
        assert (tmp_path / name).read_bytes() == (packaged / name).read_bytes()
    whole, found = read(tmp_path / "metadata.json"), read(packaged / "metadata.json")
    assert {**whole["lineage"], "commit": "9f2c1e", "parent": "v1.0"} == found["lineage"]
    assert {**whole, "lineage": None} == {**found, "lineage": None}


def test_prepare_counts_what_it_leaves(prepared: Path) -> None:
    """Rows, late ones, those without a label, and each month are counted; the digest names the data."""
    described = read(prepared / "prepared" / "prepared.json")
    rows = pl.read_parquet(prepared / "test" / "rows.parquet")
    assert {"rows": 23611, "late": rows["late"].sum(), "unlabelled": 1340, "months": {"2013-02": 23611}} == described[
        "test"
    ]
    assert described["dataset_version"].startswith("sha256:")
    assert date(2013, 2, 1) <= rows["day"].min() <= rows["day"].max() < date(2013, 3, 1)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ("found 0 flights, 0 of them late; a model needs", ["--from", "2012-01-01", "--until", "2012-02-01"]),
        ("the days must be in order", ["--from", "2014-01-01"]),
        ("invalid fromisoformat value: 'soon'", ["--until", "soon"]),
        ("unrecognized arguments: --rounds=5", ["--rounds=5"]),
    ],
)
def test_prepare_refuses_what_it_cannot_do(bucket: Path, tmp_path: Path, words: str, options: list[str]) -> None:
    """Days without flights and wrong options fail the job; nothing is left behind."""
    inputs = {"flights": bucket / "flights", "weather": bucket / "weather"}
    assert 1 == step(tmp_path, "prepare", *options, inputs=inputs)
    assert words in reason(tmp_path)
    assert [] == [path for path in (tmp_path / "processing").glob("output/**/*") if path.is_file()]


def test_a_month_without_flights_is_refused(bucket: Path, tmp_path: Path) -> None:
    """A model would not be of the months that it says; a tested month without any is the gate's to hold."""
    shutil.copytree(bucket / "flights", tmp_path / "flights")
    empty = tmp_path / "flights" / "2013-01" / "flights.csv"
    empty.write_bytes(empty.read_bytes().partition(b"\n")[0] + b"\n")
    inputs = {"flights": tmp_path / "flights", "weather": bucket / "weather"}
    words = ["--from", "2013-01-01", "--until", "2013-02-15", "--test-until", "2013-03-01"]
    assert 1 == step(tmp_path / "job", "prepare", *words, inputs=inputs)
    assert "2013-01: found no flight with a label" in reason(tmp_path / "job")
    words = ["--from", "2013-02-01", "--until", "2013-03-01", "--test-until", "2013-04-01"]
    assert 0 == step(tmp_path / "tested", "prepare", *words, inputs=inputs)
    assert 0 == read(tmp_path / "tested" / "processing" / "output" / "prepared" / "prepared.json")["test"]["rows"]


def test_flights_of_one_outcome_are_refused(bucket: Path, tmp_path: Path) -> None:
    """There is nothing to learn where all were late; how many there are is said."""
    for path in (bucket / "flights").rglob("*.csv"):
        flights = pl.read_csv(path, infer_schema=False)
        late = flights.filter(pl.col("arr_delay").cast(pl.Int64, strict=False) > 15)
        (tmp_path / "flights" / path.parent.name).mkdir(parents=True)
        late.write_csv(tmp_path / "flights" / path.parent.name / path.name)
    inputs = {"flights": tmp_path / "flights", "weather": bucket / "weather"}
    assert 1 == step(tmp_path / "job", "prepare", *WINDOWS, inputs=inputs)
    assert "found 6,001 flights, 6,001 of them late; a model needs late and punctual ones" in reason(tmp_path / "job")


def test_prepare_refuses_broken_data(bucket: Path, tmp_path: Path) -> None:
    """A file that was cut off is named with its line, and nothing is left."""
    shutil.copytree(bucket / "flights", tmp_path / "flights")
    broken = tmp_path / "flights" / "2013-02" / "flights.csv"
    broken.write_bytes(broken.read_bytes()[:-10])
    inputs = {"flights": tmp_path / "flights", "weather": bucket / "weather"}
    assert 1 == step(tmp_path / "job", "prepare", *WINDOWS, inputs=inputs)
    assert "flights.csv, line 24952: found " in reason(tmp_path / "job")
    assert [] == [path for path in (tmp_path / "job" / "processing").glob("output/**/*") if path.is_file()]


def test_an_empty_test_window_is_not_an_error_of_prepare(
    bucket: Path, model: Path, prepared: Path, tmp_path: Path
) -> None:
    """Labels that have not come: the figures are null and say why, so that a gate can hold."""
    rows = tmp_path / "rows"
    rows.mkdir()
    pl.read_parquet(prepared / "test" / "rows.parquet").clear().write_parquet(rows / "rows.parquet")
    assert 0 == step(tmp_path, "evaluate", inputs={"model": model, "test": rows})
    found = read(tmp_path / "processing" / "output" / "evaluation" / "evaluation.json")
    assert (0, 0, 0) == (found["rows"], found["positives"], found["days"])
    assert {"error": "there are no labelled rows"} == found["candidate"]


class Killed(BaseException):
    """As `kill -9` would end it."""


@pytest.mark.parametrize("trees", [5, 10, 12])
def test_a_job_that_was_killed_ends_in_the_same_bytes(
    prepared: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trees: int
) -> None:
    """Killed after each block, a job goes on from its checkpoint and leaves what an undisturbed one leaves."""
    (tmp_path / "checkpoints").mkdir()
    keep, grown = train_step.Checkpoints.keep, []

    def kept(self: train_step.Checkpoints, done: int, text: str) -> None:
        keep(self, done, text)
        grown.append(done)
        if done == trees and grown.count(done) == 1:
            raise Killed

    monkeypatch.setattr(train_step.Checkpoints, "keep", kept)
    with pytest.raises(Killed):
        train(tmp_path, prepared, {"rounds": "12", "block": "5"})
    assert [] == list((tmp_path / "model").iterdir())
    assert 0 == train(tmp_path, prepared, {"rounds": "12", "block": "5"})
    assert [5, 10, 12] == grown
    for name in ("model.txt", "training.json"):
        assert (model / name).read_bytes() == (tmp_path / "model" / name).read_bytes()


@pytest.mark.parametrize("what", ["other parameters", "half", "text"])
def test_a_checkpoint_that_does_not_fit_is_passed_over(
    prepared: Path, model: Path, tmp_path: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A checkpoint of another job, or a broken one, does not reach the model."""
    checkpoint = tmp_path / "checkpoints" / "checkpoint.json"
    checkpoint.parent.mkdir()
    if what == "other parameters":
        assert 0 == train(tmp_path, prepared, {"rounds": "5", "block": "5", "leaves": "7"})
    else:
        checkpoint.write_text('{"of": ' if what == "half" else '"text"')
    assert 0 == train(tmp_path, prepared, {"rounds": "12", "block": "5"})
    assert "passed over" in capsys.readouterr().out
    assert (model / "model.txt").read_bytes() == (tmp_path / "model" / "model.txt").read_bytes()


def test_the_difference_of_two_models_is_that_of_their_rows(
    evaluated: Any, packaged: Path, prepared: Path, model: Path
) -> None:
    """The paired figure is the candidate's less the champion's, and more trees are surely better than one."""
    mine, other = evaluated["candidate"]["brier"]["value"], evaluated["champion"]["brier"]["value"]
    found = evaluated["comparison"]["brier_difference"]
    assert pytest.approx(mine - other) == found["value"]
    assert found["low"] < found["value"] < found["high"] < 0
    assert read(packaged / "metadata.json")["metrics"]["brier"] == mine
    assert (23611, 28) == (evaluated["rows"], evaluated["days"])


def test_a_model_may_come_as_the_platforms_archive(prepared: Path, model: Path, evaluated: Any, tmp_path: Path) -> None:
    """model.tar.gz, as a training job's output lies in a bucket, is taken as the folder is."""
    (tmp_path / "model").mkdir()
    with tarfile.open(tmp_path / "model" / "model.tar.gz", "w:gz") as archive:
        for path in model.iterdir():
            archive.add(path, path.name)
    assert 0 == step(tmp_path, "evaluate", inputs={"model": tmp_path / "model", "test": prepared / "test"})
    found = read(tmp_path / "processing" / "output" / "evaluation" / "evaluation.json")
    assert evaluated["candidate"] == found["candidate"]
    assert (None, "there is no champion") == (found["champion"], found["comparison"]["error"])


def test_a_champion_that_cannot_be_loaded_is_said(prepared: Path, model: Path, tmp_path: Path) -> None:
    """A champion in another format, or on other features, has no figures but a reason."""
    champion = tmp_path / "champion"
    champion.mkdir()
    (champion / "metadata.json").write_text(json.dumps({"model_format": "onnx"}))
    assert 0 == step(tmp_path, "evaluate", inputs={"model": model, "test": prepared / "test", "champion": champion})
    found = read(tmp_path / "processing" / "output" / "evaluation" / "evaluation.json")
    assert found["champion"] is None
    assert "found a onnx model, allowed is lightgbm-text" in found["comparison"]["error"]


def test_a_model_that_was_altered_is_not_loaded(prepared: Path, model: Path, tmp_path: Path) -> None:
    """LightGBM would end the process over it: the digest is asked before."""
    shutil.copytree(model, tmp_path / "model")
    with (tmp_path / "model" / "model.txt").open("a") as file:
        file.write("more")
    assert 1 == step(tmp_path, "evaluate", inputs={"model": tmp_path / "model", "test": prepared / "test"})
    assert "model.txt: found a file with the digest" in reason(tmp_path)


def test_bias_is_told_of_each_facet(prepared: Path, model: Path, tmp_path: Path) -> None:
    """analysis.json has Clarify's shape: by facet and group, each metric with its value or its error."""
    words = ["--facet", "carrier=MQ,EV,9E,YV,OO", "--facet", "origin=EWR", "--facet", "origin=XXX"]
    assert 0 == step(tmp_path, "bias", *words, inputs={"model": model, "test": prepared / "test"})
    found = read(tmp_path / "processing" / "output" / "bias" / "analysis.json")
    origins = found["post_training_bias_metrics"]["facets"]["origin"]
    assert ["EWR", "XXX"] == [group["value_or_threshold"] for group in origins]
    values = {metric["name"]: metric["value"] for metric in origins[0]["metrics"]}
    assert 13 == len(values)
    nobody = {metric["name"]: metric.get("error") for metric in origins[1]["metrics"]}
    assert "no rows: rows in the group" == nobody["DPPL"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "found no --facet"),
        (["--facet", "carrier"], "found 'carrier', allowed is a column and 1 to 100 values"),
        (["--facet", "airline=MQ"], "found column 'airline', allowed are day, departure, late, carrier"),
    ],
)
def test_a_facet_that_is_none_is_refused(
    prepared: Path, model: Path, tmp_path: Path, options: list[str], words: str
) -> None:
    """A facet names a column of the rows and values."""
    assert 1 == step(tmp_path, "bias", *options, inputs={"model": model, "test": prepared / "test"})
    assert words in reason(tmp_path)


def test_a_lineage_has_known_keys(prepared: Path, model: Path, tmp_path: Path) -> None:
    """What the platform says of a model's origin is checked as everything else is."""
    (tmp_path / "lineage").mkdir()
    (tmp_path / "lineage" / "lineage.json").write_text('{"comit": "9f2c1e"}')
    inputs = {name: prepared / name for name in ("training", "test", "prepared")}
    inputs |= {"model": model, "lineage": tmp_path / "lineage"}
    assert 1 == step(tmp_path, "package", inputs=inputs)
    assert "lineage.json: found comit, allowed are author, commit" in reason(tmp_path)


def test_a_step_names_the_file_that_it_misses(tmp_path: Path, prepared: Path) -> None:
    """A model's folder without the model is said by its path."""
    (tmp_path / "model").mkdir()
    assert 1 == step(tmp_path, "bias", "--facet", "origin=EWR", inputs={"model": tmp_path / "model"})
    assert "processing/input/test: found no file" in reason(tmp_path)
    (tmp_path / "processing" / "input" / "test").symlink_to(prepared / "test")
    assert 1 == run(tmp_path, "bias", "--facet", "origin=EWR")
    assert "input/model/training.json: found" in reason(tmp_path)
