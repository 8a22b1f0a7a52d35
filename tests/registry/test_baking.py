"""A version baked into a service's folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from shipway.core.errors import Refused, UsageError
from shipway.registry.registry import ModelRegistry

MakeModel = Callable[..., Path]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where the service looks for its model."""
    return tmp_path / "service" / "models"


def test_what_serves_is_copied(registry: ModelRegistry, make_model: MakeModel, bucket: Path, target: Path) -> None:
    """The metadata as it is and the model file, writable as files in a work tree are; nothing else of the version."""
    registry.publish(make_model(b"tree 1", more={"rows.csv": b"1"}), None, "jonas")
    assert "v1.0" == registry.bake("v1.0", target).version
    assert {"metadata.json", "model.txt"} == {path.name for path in target.iterdir()}
    for name in ("metadata.json", "model.txt"):
        assert (bucket / "v1.0" / name).read_bytes() == (target / name).read_bytes()
        assert (target / name).stat().st_mode & 0o200
    assert ["models"] == [path.name for path in target.parent.iterdir()]


def test_another_version_takes_its_place(
    registry: ModelRegistry, make_model: MakeModel, tmp_path: Path, target: Path
) -> None:
    """What the version before brought goes; what people put there stays."""
    registry.publish(make_model(b"tree 1"), None, "jonas")
    folder = make_model(b"tree 2")
    document = json.loads((folder / "metadata.json").read_text())
    document |= {"model_file": "new.txt", "files": {"new.txt": document["files"]["model.txt"]}}
    (folder / "metadata.json").write_text(json.dumps(document))
    (folder / "model.txt").rename(folder / "new.txt")
    registry.publish(folder, None, "jonas")
    target.mkdir(parents=True)
    (target / "README.md").write_text("what this is")
    for version, file in (("v1.0", "model.txt"), ("v1.1", "new.txt")):
        registry.bake(version, target)
        assert {"README.md", "metadata.json", file} == {path.name for path in target.iterdir()}
        assert version == json.loads((target / "metadata.json").read_text())["version"]
    assert "what this is" == (target / "README.md").read_text()


def test_metadata_that_cannot_be_read_is_replaced(registry: ModelRegistry, make_model: MakeModel, target: Path) -> None:
    """A half-merged file is no reason not to bake."""
    registry.publish(make_model(), None, "jonas")
    target.mkdir(parents=True)
    (target / "metadata.json").write_text("<<<<<<<")
    registry.bake("v1.0", target)
    assert "v1.0" == json.loads((target / "metadata.json").read_text())["version"]


def test_a_refusal_leaves_the_folder_alone(
    registry: ModelRegistry, make_model: MakeModel, bucket: Path, target: Path
) -> None:
    """A damaged or rejected version, or a target that is not a folder: nothing is written."""
    for data in (b"0", b"1", b"2"):
        registry.publish(make_model(data), None, "jonas")
    registry.bake("v1.0", target)
    registry.decide("v1.1", "rejected", "mei", "biased", 0.0)
    (bucket / "v1.2/model.txt").chmod(0o644)
    (bucket / "v1.2/model.txt").write_bytes(b"other")
    for version in ("v1.1", "v1.2"):
        with pytest.raises(Refused):
            registry.bake(version, target)
        assert "v1.0" == json.loads((target / "metadata.json").read_text())["version"]
    with pytest.raises(UsageError, match="is not a folder"):
        registry.bake("v1.0", target / "model.txt")
    with pytest.raises(UsageError, match=r"there are: v1\.0"):
        registry.bake("v9.9", target)
    assert ["models"] == [path.name for path in target.parent.iterdir()]
