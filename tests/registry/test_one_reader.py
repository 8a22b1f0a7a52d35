"""Publishing and serving judge a version alike: what is published loads, and what would not load is not published."""

from __future__ import annotations

import copy
import hashlib
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipway.core.contract.schema import canonical_digest
from shipway.core.errors import Refused
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.registry import metadata
from shipway.registry.folder_store import FolderStore
from shipway.registry.packer import READING_LOCK, Packer
from shipway.registry.registry import ModelRegistry

ROOT = Path(__file__).parent.parent.parent
MODEL = re.search(r"^```text model.txt\n(.*?)^```$", (ROOT / metadata.CONTRACT).read_text(), re.M | re.S)[1].encode()  # type: ignore[index]
FEATURES: list[dict[str, Any]] = [
    {"name": "origin", "type": "category", "values": ["EWR", "JFK"], "nullable": True},
    {"name": "minute", "type": "number", "minimum": 0, "maximum": 1439, "nullable": False},
]
GOLDEN = {"instance": {"origin": "EWR", "minute": 480}, "prediction": 0.25}
Change = Callable[[dict[str, Any]], object]


def folder(place: Path, change: Change = lambda _: None, model: bytes = MODEL) -> Path:
    """A version's folder with the page's model, whose metadata was changed; digests are made again."""
    place.mkdir()
    (place / "model.txt").write_bytes(model)
    document: dict[str, Any] = {
        "name": "delays", "trained_at": "2026-11-23T06:00:00Z", "dataset_version": "d", "metrics": {},
        "hyperparameters": {}, "model_file": "model.txt", "model_format": "lightgbm-text", "tolerance": 1e-9,
        "files": {"model.txt": {"sha256": hashlib.sha256(model).hexdigest(), "bytes": len(model)}},
        "feature_schema": {"features": FEATURES, "output": {"name": "p"}},
        "golden": [GOLDEN],
    }  # fmt: skip
    document = copy.deepcopy(document)
    change(document)
    schema = document.get("feature_schema")
    document.setdefault("feature_schema_digest", f"sha256:{canonical_digest(schema)}")
    (place / "metadata.json").write_text(json.dumps(document))
    return place


def at(path: str, value: Any) -> Change:
    """Sets what lies at a path such as `feature_schema.features.1.minimum`; "…" leaves it out."""

    def change(document: dict[str, Any]) -> None:
        *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        place: Any = document
        for part in way:
            place = place[part]
        if value == "…":
            del place[last]
        else:
            place[last] = value

    return change


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"more": value}
    return value


MINUTE, ORIGIN = "feature_schema.features.1", "feature_schema.features.0"
TAKEN: dict[str, Change] = {
    "as it is": lambda _: None,
    "a description": at(f"{MINUTE}.description", "minutes after midnight"),
    "a key of its own": at("feature_schema.note", nested(40)),
    "a long whole number": at(f"{MINUTE}.maximum", 10**30),
    "a number beyond 64 bits elsewhere": at("feature_schema.seed", 2**64),
    "no tolerance": at("tolerance", "…"),
    "values of any script": at(f"{ORIGIN}.values", ["EWR", "東京 😀"]),
    "a version": at("version", "v12.30"),
    "a whole threshold": at("feature_schema.output.threshold", 1),
    "null for numbers' values": at(f"{MINUTE}.values", None),
}
REFUSED: dict[str, Change] = {
    "another name": at("name", "Not A Name"),
    "a name that is a number": at("name", 3),
    "a version with a zero before it": at("version", "v01.0"),
    "a version with a newline": at("version", "v1.0\n"),
    "a model file elsewhere": at("model_file", "../model.txt"),
    "a model file that is not listed": at("model_file", "other.txt"),
    "another format": at("model_format", "h5"),
    "another digest": at("feature_schema_digest", "sha256:" + "0" * 64),
    "a digest in capitals": lambda d: d["files"]["model.txt"].update(sha256=d["files"]["model.txt"]["sha256"].upper()),
    "another size": lambda d: d["files"]["model.txt"].update(bytes=1),
    "no features": at("feature_schema.features", []),
    "features that are no array": at("feature_schema.features", {}),
    "no output": at("feature_schema.output", "…"),
    "an output without a name": at("feature_schema.output", {}),
    "an output whose description is null": at("feature_schema.output.description", None),
    "a threshold that is text": at("feature_schema.output.threshold", "0.5"),
    "a threshold that is true": at("feature_schema.output.threshold", True),
    "a type that there is not": at(f"{MINUTE}.type", "integer"),
    "nullable left out": at(f"{MINUTE}.nullable", "…"),
    "nullable as a number": at(f"{MINUTE}.nullable", 1),
    "a bound that is null": at(f"{MINUTE}.minimum", None),
    "a bound that is text": at(f"{MINUTE}.minimum", "0"),
    "bounds that cross": at(f"{MINUTE}.minimum", 2000),
    "a category without values": at(f"{ORIGIN}.values", []),
    "a category whose values are left out": at(f"{ORIGIN}.values", "…"),
    "a value twice": at(f"{ORIGIN}.values", ["EWR", "EWR"]),
    "a value that is a number": at(f"{ORIGIN}.values", ["EWR", 7]),
    "a number that lists values": at(f"{MINUTE}.values", ["1"]),
    "a feature twice": at(f"{MINUTE}.name", "origin"),
    "a feature without a name": at(f"{MINUTE}.name", ""),
    "a feature's name with a control character": at(f"{MINUTE}.name", "mi\x00nute"),
    "a feature's name with a newline": at(f"{MINUTE}.name", "minute\n"),
    "a description that is a number": at(f"{MINUTE}.description", 7),
    "other features than the model's": at(f"{MINUTE}.name", "hour"),
    "features in another order": at("feature_schema.features", FEATURES[::-1]),
    "a schema nested deeply": at("feature_schema.note", nested(150)),
    "a golden answer that is another": at("golden.0.prediction", 0.5),
    "a golden answer that is null": at("golden.0.prediction", None),
    "a golden request that lacks a feature": at("golden.0.instance.minute", "…"),
    "a golden request with a feature more": at("golden.0.instance.gate", 3),
    "a golden value out of bounds": at("golden.0.instance.minute", 1440),
    "a golden value of no type": at("golden.0.instance.minute", True),
    "a golden value as a number too long": at("golden.0.instance.minute", 10**400),
    "golden requests too many": at("golden", [GOLDEN] * 21),
    "a tolerance below zero": at("tolerance", -1e-9),
    "a tolerance that is null": at("tolerance", None),
    "another input": at("input", "table"),
    "an onnx section that is text": at("onnx", "p"),
}
MODELS: dict[str, bytes] = {
    "cut off": MODEL[:300],
    "empty": b"",
    "a number": b"0.3",
    "of two outputs": MODEL.replace(b"num_class=1", b"num_class=2"),
    "with a tree that leads nowhere": MODEL.replace(b"left_child=-1", b"left_child=-7"),
    "with other names": MODEL.replace(b"feature_names=origin minute", b"feature_names=minute origin"),
    "of other names than there are columns": MODEL.replace(b"max_feature_idx=1", b"max_feature_idx=0"),
}


@pytest.fixture(scope="module")
def python() -> Path:
    """The packaging program's test environment, which has all that the model server needs to load a model."""
    environments = PythonEnvironments(ROOT / ".venv" / "parts")
    return environments.python(
        ROOT / "model-packaging" / "requirements-test.lock", "model packaging's tests", lambda line: None
    )


def loaded(python: Path, folders: dict[str, Path]) -> dict[str, bool]:
    """Which of the folders the model service would serve."""
    done = subprocess.run(
        [python, "-m", "ml_model_service.check", *folders.values()],
        env={"PYTHONPATH": str(ROOT / "ml-model-service" / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert len(folders) == len(done.stdout.splitlines()), done.stderr
    return {name: f"{path}: it is served\n" in done.stdout for name, path in folders.items()}


def is_read(path: Path) -> bool:
    """Whether the platform reads the folder's metadata without complaint."""
    try:
        metadata.parse((path / "metadata.json").read_bytes(), "metadata.json")
    except Refused:
        return False
    return True


def test_the_platform_refuses_no_metadata_that_the_service_serves(python: Path, tmp_path: Path) -> None:
    """Of many changes to what the service reads, it loads just those that are right, and the platform reads them all."""
    folders = {name: folder(tmp_path / str(n), change) for n, (name, change) in enumerate({**TAKEN, **REFUSED}.items())}
    folders |= {name: folder(tmp_path / f"model-{n}", model=model) for n, (name, model) in enumerate(MODELS.items())}
    served = loaded(python, folders)
    assert list(TAKEN) == [name for name, answer in served.items() if answer]
    assert [] == [name for name in TAKEN if not is_read(folders[name])]


def test_both_read_the_same_json(python: Path, tmp_path: Path) -> None:
    """A byte order mark, a key twice, NaN, what no float64 holds, an unpaired surrogate, a second value: both refuse."""
    folders = {"as it is": folder(tmp_path / "as it is")}
    written = (folders["as it is"] / "metadata.json").read_text()
    for more in ('"name": "other"', '"author": NaN', '"author": 1e999', '"author": "\\ud800"'):
        folders[more] = folder(tmp_path / more.replace("/", ""))
        (folders[more] / "metadata.json").write_text(f"{{{more}, {written[1:]}")
    for text in (f"\ufeff{written}", f"{written} {written}"):
        folders[text] = folder(tmp_path / str(len(text)))
        (folders[text] / "metadata.json").write_text(text)
    found = loaded(python, folders)
    assert ["as it is"] == [name for name, served in found.items() if served]
    assert found == {name: is_read(path) for name, path in folders.items()}


def test_what_no_task_would_load_is_not_published(python: Path, bucket: Path, tmp_path: Path) -> None:
    """The model server's own code looks at the finished version; the refusal is in its words, and nothing is stored."""
    asked: list[Path] = []

    def python_for(lock: Path, _: Callable[[str], None]) -> Path:
        asked.append(lock)
        return python

    registry = ModelRegistry(FolderStore(bucket), Packer(python_for, ROOT))
    for n, (change, model) in enumerate([(REFUSED["a value twice"], MODEL), (TAKEN["as it is"], MODELS["cut off"])]):
        with pytest.raises(Refused, match="the model server would not serve it") as refused:
            registry.publish(folder(tmp_path / f"wrong-{n}", change, model), None, "jonas")
        assert "docs/model-bucket.md" in refused.value.fix
    assert () == registry.list()
    assert "v1.0" == registry.publish(folder(tmp_path / "right"), None, "jonas").version
    assert {ROOT / READING_LOCK} == set(asked)
    assert loaded(python, {"v1.0": bucket / "v1.0"})["v1.0"]
