"""What must be right before a version may serve."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import lightgbm
import pytest

from conftest import FEATURES, ROW, Publish, score, train
from ml_model_service import check, engines
from ml_model_service.metadata import digest_of
from ml_model_service.versions.model import ModelError, load


def test_a_whole_version_loads_and_predicts(tmp_path: Path, publish: Publish, boosters: list[lightgbm.Booster]) -> None:
    """A version that verifies predicts what LightGBM's package predicts."""
    model = load(publish(tmp_path, "v1.0"), "v1.0")
    assert [score(boosters[0], ROW)] == model.predict([ROW])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": "v1.1"}, "says version 'v1.1'"),
        ({"model_format": "pickle"}, "allowed: lightgbm-text"),
        ({"model_file": "../v0.9/model.txt"}, "lists no file"),
        ({"files": {"model.txt": {"sha256": "0" * 64, "bytes": 1}}}, "size and digest"),
        ({"feature_schema_digest": "sha256:" + "0" * 64}, "feature schema does not have the digest"),
        ({"golden": []}, "no golden predictions"),
        ({"golden": [{"instance": ROW, "prediction": 0.5}]}, r"golden\[0\] predicts"),
        ({"golden": [{"instance": {}, "prediction": 0.5}]}, "golden request does not fit"),
        ({"name": 7}, "Expected `str`, got `int`"),
    ],
)
def test_a_version_that_does_not_verify_is_refused(
    tmp_path: Path, publish: Publish, changes: dict[str, Any], message: str
) -> None:
    """Wrong digests, names or golden predictions keep a version out, and the error says which."""
    folder = publish(tmp_path, "v1.0", **changes)
    with pytest.raises(ModelError, match=message):
        load(folder, "v1.0")


def test_versions_can_be_checked_by_hand(tmp_path: Path, publish: Publish, capsys: pytest.CaptureFixture[str]) -> None:
    """As a task would load them; the exit status tells whether all of them would be served."""
    good, bad = publish(tmp_path, "v1.0"), publish(tmp_path, "v1.1", golden=[])
    assert [0, 1] == [check.main([str(good)]), check.main([str(good), str(bad)])]
    assert capsys.readouterr().out.splitlines()[1:] == [
        f"{good}: it is served",
        f"{bad}: it is not served: metadata.json has no golden predictions to check the model by",
    ]


def test_features_in_another_order_are_refused(tmp_path: Path, publish: Publish) -> None:
    """A schema whose features are not the model's, in the model's order, would mix up columns."""
    schema = {"features": FEATURES[::-1], "output": {"name": "p"}}
    folder = publish(tmp_path, "v1.0", feature_schema=schema, feature_schema_digest=digest_of(schema))
    with pytest.raises(ModelError, match="are not the schema's"):
        load(folder, "v1.0")


def test_a_schema_that_names_a_feature_twice_is_refused(tmp_path: Path, publish: Publish) -> None:
    """Whatever is wrong with the metadata is a ModelError, so that the version in service stays."""
    text = train(1).model_to_string().replace("feature_names=airline origin", "feature_names=airline airline").encode()
    schema = {"features": [FEATURES[0], FEATURES[0], *FEATURES[2:]], "output": {"name": "p"}}
    folder = publish(
        tmp_path,
        "v1.0",
        feature_schema=schema,
        feature_schema_digest=digest_of(schema),
        files={"model.txt": {"sha256": hashlib.sha256(text).hexdigest(), "bytes": len(text)}},
    )
    (folder / "model.txt").write_bytes(text)
    with pytest.raises(ModelError):
        load(folder, "v1.0")


@pytest.mark.parametrize("version", ["", "v1\r\nx-other: 1", "v1\n", "vé", "v" * 129])
def test_a_version_that_no_header_can_hold_is_refused(tmp_path: Path, publish: Publish, version: str) -> None:
    """Each answer names it in a header, which ends with its line."""
    with pytest.raises(ModelError, match=r"\$\.version"):
        load(publish(tmp_path, "baked", version=version))


@pytest.mark.parametrize("text", ["[" * 200_000, "\xff", "null"])
def test_metadata_of_any_shape_is_a_model_error(tmp_path: Path, publish: Publish, text: str) -> None:
    """Metadata that is too deep, not UTF-8 or of another shape is refused like any other."""
    folder = publish(tmp_path, "v1.0")
    (folder / "metadata.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelError):
        load(folder, "v1.0")


def test_one_changed_byte_in_the_model_is_refused(tmp_path: Path, publish: Publish) -> None:
    """A model file that was altered after publishing does not load."""
    folder = publish(tmp_path, "v1.0")
    text = bytearray((folder / "model.txt").read_bytes())
    text[len(text) // 2] ^= 1
    (folder / "model.txt").write_bytes(text)
    with pytest.raises(ModelError, match="size and digest"):
        load(folder, "v1.0")


@pytest.mark.parametrize("name", ["model.txt", "metadata.json"])
def test_a_missing_file_is_named(tmp_path: Path, publish: Publish, name: str) -> None:
    """The error names the file that is not there."""
    folder = publish(tmp_path, "v1.0")
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"{name}: No such file"):
        load(folder, "v1.0")


@pytest.mark.parametrize("name", ["model.txt", "metadata.json"])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, publish: Publish, name: str) -> None:
    """A pipe that nobody writes to would hold up every later version."""
    folder = publish(tmp_path, "v1.0")
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(ModelError, match=f"{name}: it is no regular file"):
        load(folder, "v1.0")


def test_metadata_that_is_not_json_is_refused(tmp_path: Path, publish: Publish) -> None:
    """Half a metadata file is an error like any other."""
    folder = publish(tmp_path, "v1.0")
    (folder / "metadata.json").write_text(json.dumps({"name": "x"})[:-3])
    with pytest.raises(ModelError):
        load(folder, "v1.0")


def test_any_fault_of_a_library_is_a_model_error(
    tmp_path: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it raises: a version's fault must not end the task that goes on with another."""

    def fails(*_: object) -> None:
        raise IndexError("column 9")

    monkeypatch.setattr(engines, "load", fails)
    with pytest.raises(ModelError, match=r"v1\.0: IndexError: column 9"):
        load(publish(tmp_path, "v1.0"), "v1.0")
