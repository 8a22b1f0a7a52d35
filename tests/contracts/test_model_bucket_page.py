"""docs/model-bucket.md is what the code does: its example publishes and serves, and it has every key that is read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel

from shipway.core.errors import Refused
from shipway.core.views.models import Publishing
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.registry.folder_store import FolderStore
from shipway.registry.metadata import Metadata
from shipway.registry.packer import Packer
from shipway.registry.registry import ModelRegistry
from tests.contracts.conftest import probability
from tests.contracts.programs import ROOT, Program
from tests.model_example import PAGE, write_example

READ_BY_THE_SERVICE = """
import json, typing
import msgspec
from ml_model_service.metadata import FeatureSchema, Metadata

def keys(kind, at):
    for part in typing.get_args(kind):
        yield from keys(part, at + {tuple: "[]", dict: ".*"}.get(typing.get_origin(kind), ""))
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        prefix = at + "." if at else ""
        for field in msgspec.structs.fields(kind):
            yield prefix + field.encode_name, field.required
            yield from keys(field.type, prefix + field.encode_name)

print(json.dumps([*keys(Metadata, ""), *keys(FeatureSchema, "feature_schema")]))
"""


def read_by_the_platform(kind: Any = Metadata, at: str = "") -> Iterator[tuple[str, bool]]:
    """Every key of metadata.json with whether it must be there."""
    origin = get_origin(kind)
    if origin in (list, dict, Union, UnionType):
        step = {list: "[]", dict: ".*"}.get(origin, "")
        for part in get_args(kind):
            yield from read_by_the_platform(part, at + step)
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            key = f"{at}.{name}" if at else name
            yield key, field.is_required()
            yield from read_by_the_platform(field.annotation, key)


@pytest.fixture(scope="module")
def documented() -> dict[str, str]:
    """The keys of the page's table, with what it says of their having to be there."""
    return dict(re.findall(r"^\| `([^`]+)` \| ([^|]+) \| [^|]+ \| [^|]*\|$", PAGE, re.MULTILINE))


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The page's example as a folder."""
    return write_example(tmp_path / "example")


def test_the_example_is_published_and_served(example: Path, model_service: Program, tmp_path: Path) -> None:
    """The platform takes it as it stands, and the service answers its golden requests with what the page says."""
    bucket = tmp_path / "ml-models-bucket"
    assert "v1.0" == ModelRegistry(FolderStore(bucket)).publish(example, None, "maria").version
    parameter = tmp_path / "model-version"
    parameter.write_text("v1.0")
    variables = {"MODEL_BUCKET": str(bucket), "MODEL_VERSION_PARAMETER": parameter.as_uri()}
    golden = json.loads((example / "metadata.json").read_text())["golden"]
    with model_service.serving(["-m", "ml_model_service"], tmp_path / "log", variables, "/ready") as service:
        assert "v1.0" == service.ask("GET", "/ready").json()["model_version"]
        for entry in golden:
            answer = service.predict([entry["instance"]])
            assert entry["prediction"] == pytest.approx(probability(answer), abs=1e-9)


def test_the_examples_rows_are_what_its_model_computes(example: Path, tmp_path: Path) -> None:
    """`model publish --check` finds nothing wrong with it, and something with another prediction."""
    environments = PythonEnvironments(ROOT / ".venv" / "parts")
    lock = ROOT / "model-packaging" / "requirements-test.lock"
    python = environments.python(lock, "model packaging's tests", lambda line: None)
    registry = ModelRegistry(FolderStore(tmp_path / "ml-models-bucket"), Packer(lambda lock, tell: python, ROOT))
    assert "v1.0" == registry.publish(example, None, "maria", Publishing(check=True)).version
    document = json.loads((example / "metadata.json").read_text())
    document["golden"][0]["prediction"] = 0.5
    (example / "metadata.json").write_text(json.dumps(document))
    with pytest.raises(Refused, match="recorded differ"):
        registry.publish(example, None, "maria", Publishing(check=True))


def test_every_key_that_the_platform_reads_is_on_the_page(documented: dict[str, str]) -> None:
    """With whether it must be there; an output needs a name besides, which publishing checks by itself."""
    read = dict(read_by_the_platform())
    assert set() == set(read) - set(documented)
    must = {key for key, required in read.items() if required} | {"feature_schema.output.name"}
    assert must == {key for key, said in documented.items() if said == "yes"}


def test_every_key_that_the_service_reads_is_on_the_page(documented: dict[str, str], model_service: Program) -> None:
    """It needs no more than what must be there, what publishing adds, and what a category lists; the page has no key else."""
    done = model_service.run("-c", READ_BY_THE_SERVICE)
    assert 0 == done.returncode, done.stderr
    read = dict(json.loads(done.stdout))
    assert "onnx.column" in read
    assert set() == set(read) - set(documented)
    assert set() == set(documented) - set(read) - {key for key, _ in read_by_the_platform()}
    needed = {key for key, required in read.items() if required and documented[key] != "yes"}
    assert {"onnx.output", "feature_schema.features[].values"} == needed


def test_refusals_name_the_page(example: Path, tmp_path: Path) -> None:
    """Whoever is refused a folder is told where the contract stands."""
    document = json.loads((example / "metadata.json").read_text())
    (example / "metadata.json").write_text(json.dumps({**document, "name": "Not A Name"}))
    with pytest.raises(Refused) as refused:
        ModelRegistry(FolderStore(tmp_path / "bucket")).publish(example, None, "maria")
    assert "docs/model-bucket.md" in refused.value.fix
