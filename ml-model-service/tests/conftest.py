"""Small real models, published the way the bucket holds them."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import configuration, settings
from hypothesis import strategies as st

from lightgbm_alone import lightgbm
from ml_model_service.metadata import digest_of
from ml_model_service.versions.model import Model, load

if TYPE_CHECKING:
    from places import Aws, AwsServer, Folder, Place

# the folder under test may be read-only
configuration.set_hypothesis_home_dir(Path(tempfile.gettempdir()) / f"hypothesis-ml-model-service-{os.getuid()}")
settings.register_profile("service", database=None, deadline=None, max_examples=60)
settings.load_profile("service")

# Awkward characters by hand, of one to four bytes: tables of all of Unicode would cost two seconds at each build.
CHARACTERS = st.sampled_from('aZ0 \x00\n\x1f\x7f"\\/{}é\u0300中\u2028\ufeff\uffff😀\U0010ffff')

Publish = Callable[..., Path]


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over all that was imported: else it takes a fifth of the time."""
    gc.freeze()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import files of slow tests, which take libraries of their own, where slow tests are left out."""
    if config.option.markexpr != "not slow" or collection_path.suffix != ".py":
        return None
    return True if "pytestmark = pytest.mark.slow" in collection_path.read_text("utf-8").splitlines() else None


FEATURES: list[dict[str, Any]] = [
    {"name": "airline", "type": "category", "values": ["AA", "B6", "UA"], "nullable": True},
    {"name": "origin", "type": "category", "values": ["EWR", "JFK"], "nullable": False},
    {"name": "temp", "type": "number", "minimum": -50, "maximum": 150, "nullable": True},
    {"name": "minute", "type": "number", "minimum": 0, "maximum": 1439, "nullable": False},
]
ROW: dict[str, Any] = {"airline": "B6", "origin": "JFK", "temp": 71.5, "minute": 480}


def train(seed: int, **settings: Any) -> lightgbm.Booster:
    """A real booster of ten small trees that reads FEATURES; each seed gives another."""
    random = np.random.default_rng(seed)
    rows = 400
    matrix = np.column_stack(
        [
            random.integers(0, 3, rows),
            random.integers(0, 2, rows),
            random.normal(60, 20, rows),
            random.integers(0, 1440, rows),
        ]
    ).astype(np.float64)
    matrix[::7, 2] = np.nan
    labels = matrix[:, 3] + 300 * matrix[:, 0] + random.normal(0, 300, rows) > 1000
    names = [feature["name"] for feature in FEATURES]
    data = lightgbm.Dataset(matrix, labels, feature_name=names, categorical_feature=[0, 1])
    parameters = {"objective": "binary", "verbose": -1, "num_threads": 1, "num_leaves": 7, "seed": seed, **settings}
    return lightgbm.train(parameters, data, num_boost_round=10)


def score(booster: lightgbm.Booster, row: dict[str, Any]) -> float:
    """The prediction by LightGBM's own package, with the row encoded by hand."""
    airline = FEATURES[0]["values"].index(row["airline"]) if row["airline"] in FEATURES[0]["values"] else np.nan
    temp = np.nan if row["temp"] is None else row["temp"]
    encoded = [airline, FEATURES[1]["values"].index(row["origin"]), temp, row["minute"]]
    return float(np.asarray(booster.predict(np.array([encoded], dtype=np.float64), num_threads=1))[0])


def point(path: Path, version: str) -> None:
    """Name `version` in the parameter file, atomically."""
    beside = path.with_name("beside")
    beside.write_text(version)
    beside.replace(path)


@pytest.fixture(scope="session")
def boosters() -> list[lightgbm.Booster]:
    """Two boosters that differ."""
    return [train(1), train(2)]


@pytest.fixture(scope="session")
def publish(boosters: list[lightgbm.Booster]) -> Publish:
    """Writes a version folder, `publish(bucket, "v1.0", which=0, **changes_to_metadata)`; answers the folder."""

    def write(bucket: Path, version: str, which: int = 0, /, **changes: Any) -> Path:
        folder = bucket / version
        folder.mkdir(parents=True)
        text = boosters[which].model_to_string().encode()
        (folder / "model.txt").write_bytes(text)
        schema = {"features": FEATURES, "output": {"name": "probability", "description": "chance of being late"}}
        rows = [ROW, ROW | {"airline": "ZZ", "temp": None}, ROW | {"minute": 1200}]
        metadata = {
            "name": "small",
            "version": version if re.fullmatch(r"v\d+\.\d+", version) else "unpublished",
            "model_file": "model.txt",
            "model_format": "lightgbm-text",
            "files": {"model.txt": {"sha256": hashlib.sha256(text).hexdigest(), "bytes": len(text)}},
            "feature_schema": schema,
            "feature_schema_digest": digest_of(schema),
            "golden": [{"instance": row, "prediction": score(boosters[which], row)} for row in rows],
            "approval": {"status": "approved", "by": None, "at": None, "why": None},
        }
        (folder / "metadata.json").write_text(json.dumps(metadata | changes))
        return folder

    return write


@pytest.fixture(scope="session")
def aws() -> Iterator[AwsServer]:
    """S3 and Parameter Store, once for all tests: starting it takes a second."""
    from places import AwsServer

    server = AwsServer()
    yield server
    server.stop()


@pytest.fixture
def in_aws(aws: AwsServer, tmp_path: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """A bucket, a parameter and a bucket for what is captured, asked all the time."""
    from places import Aws

    for name, value in aws.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("ml_model_service.versions.remote_parameter.INTERVAL", 0.05)
    place = Aws(aws, tmp_path / "scratch", publish)
    yield place
    place.close()
    assert [] == list(tmp_path.glob("model-versions-*"))


@pytest.fixture
def in_folder(tmp_path: Path, publish: Publish) -> Folder:
    """A bucket, a parameter and a folder for what is captured: for what does not depend on where these are."""
    from places import Folder

    return Folder(tmp_path, publish)


@pytest.fixture(params=["in_folder", pytest.param("in_aws", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest) -> Place:
    """A bucket, a parameter and a place for what is captured: on this machine, and in AWS."""
    found: Place = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def model(publish: Publish, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The first booster as v1.0, loaded once."""
    return load(publish(tmp_path_factory.mktemp("bucket"), "v1.0"))
