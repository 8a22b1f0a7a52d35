"""The real data, read once."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import configuration, settings

from training import source
from training.container import BASE_VARIABLE, STOPS, main
from training.prepare import prepare
from training.seed_bucket import seed

# the folder under test may be read-only
configuration.set_hypothesis_home_dir(Path(tempfile.gettempdir()) / f"hypothesis-training-{os.getuid()}")
settings.register_profile("training", database=None, deadline=None)
settings.load_profile("training")

WINDOWS = ["--from", "2013-01-01", "--until", "2013-02-01", "--test-until", "2013-03-01"]


@pytest.fixture(scope="session")
def flights() -> pl.DataFrame:
    """All flights of 2013."""
    return source.read_flights(source.data_folder())


@pytest.fixture(scope="session")
def weather() -> pl.DataFrame:
    """All weather observations of 2013."""
    return source.read_weather(source.data_folder())


@pytest.fixture(scope="session")
def table(flights: pl.DataFrame, weather: pl.DataFrame) -> pl.DataFrame:
    """All flights with their features."""
    return prepare(flights, weather)


@pytest.fixture(scope="session")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bucket with January and February."""
    folder = tmp_path_factory.mktemp("bucket")
    assert ["2013-01", "2013-02"] == seed(folder, "2013-01", "2013-02")
    return folder


@pytest.fixture(scope="session")
def prepared(bucket: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the prepare step leaves of January, tested on February."""
    base = tmp_path_factory.mktemp("prepare")
    assert 0 == step(base, "prepare", *WINDOWS, inputs={"flights": bucket / "flights", "weather": bucket / "weather"})
    return base / "processing" / "output"


@pytest.fixture(scope="session")
def model(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the train step leaves: 12 trees in blocks of 5."""
    base = tmp_path_factory.mktemp("train")
    assert 0 == train(base, prepared, {"rounds": "12", "block": "5"})
    return base / "model"


def step(base: Path, name: str, *options: str, inputs: dict[str, Path]) -> int:
    """The exit code of a processing job on those folders."""
    folder = base / "processing" / "input"
    folder.mkdir(parents=True, exist_ok=True)
    for channel, content in inputs.items():
        (folder / channel).symlink_to(content)
    return run(base, name, *options)


def train(base: Path, prepared: Path, hyperparameters: object, **more: object) -> int:
    """The exit code of a training job on prepared rows; `more` are files that the platform writes beside."""
    lay_out(base, hyperparameters, **more)
    data = base / "input" / "data"
    data.mkdir(exist_ok=True)
    if not (data / "training").exists():
        (data / "training").symlink_to(prepared / "training")
    return run(base, "train")


def lay_out(base: Path, hyperparameters: object, **more: object) -> None:
    """Write the configuration that the platform writes."""
    folder = base / "input" / "config"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in {"hyperparameters": hyperparameters, **more}.items():
        (folder / f"{name}.json").write_text(json.dumps(content))


def run(base: Path, *words: str) -> int:
    """The exit code; the process's signals, which the program takes for itself, are given back."""
    before = {number: signal.getsignal(number) for number in STOPS}
    try:
        return main(list(words), {BASE_VARIABLE: str(base)})
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def reason(base: Path, file: str = "message") -> str:
    """What the platform shows of a job that failed."""
    return (base / "output" / file).read_text(encoding="utf-8")
