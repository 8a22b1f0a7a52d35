"""One model by the real training program, and the model service on it, as a process and where possible as a container."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.images import Image, built
from tests.contracts.programs import Answer, Program, Service, publish
from tests.contracts.training_jobs import Job, Trainer

VARIANT, VERSION = "v1-0", "v1.0"
ENDPOINT = "ontime-test"
DAYS = ("--from", "2013-01-01", "--until", "2013-03-01", "--test-until", "2013-04-01")
"""Trained on January and February, tested on March."""
HOSTED, HOSTED_MODELS, CAPTURED = "/opt/ml/model", "/opt/ml/models", "/capture"


@dataclass(frozen=True, slots=True)
class Holdout:
    """Held-out rows: as text in schema order, as clients send them, and what the training library predicted."""

    names: list[str]
    fields: list[list[str]]
    instances: list[dict[str, Any]]
    predictions: list[float]


@pytest.fixture(scope="session")
def model_service() -> Program:
    return Program("ml-model-service")


@pytest.fixture(scope="session")
def training() -> Program:
    return Program("training")


@pytest.fixture(scope="session")
def training_data(training: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bucket of January to March."""
    folder = tmp_path_factory.mktemp("training-data") / "training-data-bucket"
    done = training.run("-m", "training.seed_bucket", "--bucket", str(folder), "--until", "2013-03")
    assert 0 == done.returncode, done.stderr
    return folder


@pytest.fixture(scope="session")
def prepared(training: Program, training_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """The job that prepared January and February to train on, and March to test on."""
    inputs = {name: training_data / name for name in ("flights", "weather")}
    root = tmp_path_factory.mktemp("prepare") / "ml"
    job = Trainer(training, None, training_data).process(root, "prepare", DAYS, inputs)
    assert 0 == job.exit_code, job.output
    return job


@pytest.fixture(scope="session")
def trained(training: Program, prepared: Job, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A training job of 40 rounds that succeeded."""
    root = tmp_path_factory.mktemp("training") / "ml"
    trainer = Trainer(training, None, prepared.output_folder("training"))
    job = trainer.run(root, {"rounds": "40", "learning-rate": "0.2"})
    assert 0 == job.exit_code, job.output
    return job


@pytest.fixture(scope="session")
def packaged(training: Program, prepared: Job, trained: Job, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that publishing takes."""
    inputs = {name: prepared.output_folder(name) for name in ("training", "test", "prepared")}
    root = tmp_path_factory.mktemp("package") / "ml"
    trainer = Trainer(training, None, prepared.output_folder("training"))
    job = trainer.process(root, "package", [], {**inputs, "model": trained.root / "model"})
    assert 0 == job.exit_code, job.output
    return job.output_folder("package")


@pytest.fixture(scope="session")
def bucket(packaged: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bucket with the model as v1.0 and again as v1.1."""
    folder = tmp_path_factory.mktemp("bucket") / "ml-models-bucket"
    for version in (VERSION, "v1.1"):
        publish(packaged, folder, version)
    return folder


@pytest.fixture(scope="session")
def slow_model(bucket: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model with its trees a hundred times over, which takes a second to load; the platform's user may read it."""
    folder = tmp_path_factory.mktemp("slow") / "model"
    folder.mkdir()
    text = (bucket / VERSION / "model.txt").read_bytes()
    head, trees, rest = text[: text.index(b"Tree=0")], text.index(b"Tree=0"), text.index(b"end of trees")
    # without the sizes of the trees LightGBM takes as many as come
    head = re.sub(rb"tree_sizes=.*\n", b"", head)
    large = head + text[trees:rest] * 100 + text[rest:]
    (folder / "model.txt").write_bytes(large)
    described = json.loads((bucket / VERSION / "metadata.json").read_text())
    file = {"sha256": hashlib.sha256(large).hexdigest(), "bytes": len(large)}
    # it predicts otherwise, which is not what is asked here
    described |= {"files": {"model.txt": file}, "model_file": "model.txt", "tolerance": 1.0}
    (folder / "metadata.json").write_text(json.dumps(described))
    return folder


@pytest.fixture(scope="session")
def metadata(bucket: Path) -> Any:
    return json.loads((bucket / VERSION / "metadata.json").read_text())


@pytest.fixture(scope="session")
def holdout(bucket: Path, metadata: Any) -> Holdout:
    with (bucket / VERSION / metadata["holdout"]["file"]).open(newline="") as file:
        header, *lines = csv.reader(file)
    features = metadata["feature_schema"]["features"]
    names = [feature["name"] for feature in features]
    assert [*names, "prediction", "label"] == header
    fields = [line[: len(names)] for line in lines]
    numbers = [feature["type"] == "number" for feature in features]
    instances = [
        {
            name: None if text == "" else float(text) if number else text
            for name, text, number in zip(names, row, numbers, strict=True)
        }
        for row in fields
    ]
    return Holdout(names, fields, instances, [float(line[len(names)]) for line in lines])


@pytest.fixture(scope="session")
def image(bucket: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The model service's image with the model baked in, built once; skips where that is not possible."""
    with built("ml-model-service", tmp_path_factory.mktemp("image"), bucket / VERSION) as image:
        yield image


@pytest.fixture(scope="session")
def backend_image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The backend's image, built once; skips where that is not possible."""
    with built("backend-api", tmp_path_factory.mktemp("image")) as image:
        yield image


@pytest.fixture(scope="session")
def updates_image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The image of app-updates, built once; skips where that is not possible."""
    with built("app-updates", tmp_path_factory.mktemp("image")) as image:
        yield image


@dataclass(frozen=True, slots=True)
class Start:
    """Starts the model service as a hosting platform does: from its image where one is given, else as a process."""

    program: Program
    image: Image | None
    logs: Callable[[], Path]

    def __call__(
        self, model: Path, ready: str | None = "/ping", capture: Path | None = None, **variables: str
    ) -> AbstractContextManager[Service]:
        """The service on the model in that folder; with SAGEMAKER_MULTI_MODEL, on the models below it.

        What it answers is captured in `capture`, if that is given.
        """
        several = "SAGEMAKER_MULTI_MODEL" in variables
        given = {"ENDPOINT_NAME": ENDPOINT, **variables}
        if capture is not None:
            given["CAPTURE"] = (capture if self.image is None else Path(CAPTURED)).as_uri()
        if self.image is not None:
            # readable for whatever user the image has, as the platform's are
            model.chmod(0o755)
            mounts = {model: HOSTED_MODELS if several else HOSTED}
            if capture is not None:
                capture.chmod(0o777)
                mounts[capture] = CAPTURED
            return self.image.serving(self.logs(), "serve", variables=given, mounts=mounts, ready=ready)
        given["MODELS_ROOT" if several else "MODEL_BAKED"] = str(model)
        return self.program.serving(["-m", "ml_model_service", "serve"], self.logs(), given, ready)

    def url(self, models: Path, name: str) -> str:
        """Where the service finds one of several models."""
        return f"{models if self.image is None else HOSTED_MODELS}/{name}/model"


@pytest.fixture(scope="session", params=["process", "container"])
def start(request: pytest.FixtureRequest, model_service: Program, tmp_path_factory: pytest.TempPathFactory) -> Start:
    """The service's start, both ways that there are."""
    image = request.getfixturevalue("image") if request.param == "container" else None
    return Start(model_service, image, lambda: tmp_path_factory.mktemp("log") / "service.log")


@pytest.fixture(scope="session")
def service(start: Start, bucket: Path) -> Iterator[Service]:
    """The service on the trained model, as an endpoint of one model."""
    with start(bucket / VERSION) as running:
        yield running


@pytest.fixture(scope="session")
def two_variants(model_service: Program, bucket: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service with half of the cohorts on v1.0 and half on v1.1."""
    folder = tmp_path_factory.mktemp("variants")
    wanted = folder / "model-version"
    wanted.write_text(json.dumps({"version": VERSION, "split": {"v1.1": 50.0}}))
    variables = {
        "MODEL_BUCKET": str(bucket), "MODEL_VERSION_PARAMETER": wanted.as_uri(), "ENDPOINT_NAME": ENDPOINT
    }  # fmt: skip
    with model_service.serving(["-m", "ml_model_service"], folder / "service.log", variables) as running:
        yield running


def probability(answer: Answer) -> float:
    """The one prediction of a JSON answer."""
    assert 200 == answer.status, answer.body
    (prediction,) = answer.json()["predictions"]
    return float(prediction)
