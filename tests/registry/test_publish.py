"""What a folder must be to become a model version."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.registry import metadata
from shipway.registry.folder_store import FolderStore
from shipway.registry.registry import ModelRegistry

MakeModel = Callable[..., Path]


def refusal(registry: ModelRegistry, folder: Path, version: str | None = None) -> str:
    """What publishing the folder is refused with; the bucket stays empty."""
    with pytest.raises(ShipwayError) as raised:
        registry.publish(folder, version, "jonas")
    assert () == registry.list()
    assert raised.value.fix
    return raised.value.what


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"name": "Not A Name"}, "name: string should match pattern '^[a-z][a-z0-9-]{0,39}$'; found \"Not A Name\""),
        ({"metrics": {"auc": "high"}}, 'metrics.auc: input should be a valid number; found "high"'),
        ({"metrics": None}, "metrics: input should be a valid dictionary; found null"),
        ({"trained_at": "yesterday"}, 'trained_at: found "yesterday"; expected a time such as 2026-11-23T06:00:00Z'),
        ({"model_file": "other.txt"}, 'model_file: "other.txt" is not one of `files`'),
        ({"files": {}}, "files: dictionary should have at least 1 item after validation, not 0; found {}"),
        (
            {"files": {"model.txt": {"sha256": "00", "bytes": 1}}},
            "files.model.txt.sha256: string should match pattern '^[0-9a-f]{64}$'; found \"00\"",
        ),
        ({"files": {"model.txt": {"sha256": "0" * 64}}}, "files.model.txt.bytes: field required"),
        (
            {"files": {"../model.txt": {"sha256": "0" * 64, "bytes": 1}}},
            'files: "../model.txt" is not the name of a file inside the folder',
        ),
        (
            {"files": {"/etc/passwd": {"sha256": "0" * 64, "bytes": 1}}},
            'files: "/etc/passwd" is not the name of a file inside the folder',
        ),
        (
            {"files": {"metadata.json": {"sha256": "0" * 64, "bytes": 1}}},
            'files: "metadata.json" is not the name of a file inside the folder',
        ),
        (
            {"files": {"model.txt": {"sha256": "0" * 64, "bytes": 9 << 30}}},
            "files.model.txt.bytes: input should be less than or equal to 8589934592; found 9663676416",
        ),
        (
            {"feature_schema_digest": "sha256:00"},
            'feature_schema_digest: found "sha256:00"; the schema\'s digest is sha256:',
        ),
        (
            {"feature_schema": {"features": [{"name": "x", "type": "date", "nullable": True}], "output": {}}},
            "feature_schema.features[0].type: input should be 'number' or 'category'; found \"date\"",
        ),
        (
            {"feature_schema": {"features": [{"name": "x", "type": "number", "nullable": True}] * 2, "output": {}}},
            "feature_schema.features: two features have the same name",
        ),
        (
            {"feature_schema": {"features": [{"name": "x", "type": "category", "nullable": True}], "output": {}}},
            "feature_schema.features[0].values: a category, and only a category, lists its values",
        ),
        (
            {"golden": [{"instance": {}, "prediction": None}]},
            "golden[0].prediction: input should be a valid number; found null",
        ),
        (
            {"golden": [{"instance": {}, "prediction": 0.5}] * 21},
            "golden: list should have at most 20 items after validation, not 21",
        ),
        (
            {"approval": {"status": "fine"}},
            "approval.status: input should be 'pending', 'approved', 'rejected' or 'archived'; found \"fine\"",
        ),
        ({"version": 3}, "version: input should be a valid string; found 3"),
    ],
)
def test_metadata_is_checked(
    registry: ModelRegistry, make_model: MakeModel, changes: dict[str, Any], line: str
) -> None:
    """A mistake in the metadata is told with its path, what was found and what is allowed."""
    folder = make_model(**changes)
    lines = refusal(registry, folder).splitlines()
    assert [True] == [told.startswith(f"{folder / 'metadata.json'}: {line}") for told in lines if line[:15] in told]


def test_all_mistakes_come_at_once(registry: ModelRegistry, make_model: MakeModel) -> None:
    """Three wrong fields are three lines."""
    assert 3 == len(refusal(registry, make_model(name="", metrics=1, golden=2)).splitlines())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "b": {"c": 1, "c": 2}}', 'the key "c" is written twice'),
        ('{"metrics": {"auc": NaN}}', "NaN is not a JSON number"),
        ('{"metrics": {"auc": 1e999}}', "not valid JSON: Out of range float values"),
        ('{"a": 1,\n "b": }', "line 2, column 7: not valid JSON: Expecting value"),
        ("[1]", "expected an object; found [1]"),
        ("[" * 100_000, "not valid JSON"),
        ('{"name": "\\ud800"}', "not valid JSON"),
        ("1" * 5000, "not valid JSON"),
    ],
)
def test_metadata_is_json(registry: ModelRegistry, make_model: MakeModel, text: str, message: str) -> None:
    """What is no honest JSON is told as such."""
    folder = make_model()
    (folder / "metadata.json").write_text(text)
    assert message in refusal(registry, folder)


@given(data=st.one_of(st.binary(max_size=200), st.text(alphabet='{}[]":,0aue\\', max_size=60).map(str.encode)))
def test_any_bytes_are_metadata_or_refused(data: bytes) -> None:
    """No bytes make the reader fail in any other way."""
    with pytest.raises(Refused):
        metadata.parse(data, "metadata.json")


def _damage(make_model: MakeModel, how: str) -> Path:
    folder = make_model()
    model = folder / "model.txt"
    match how:
        case "changed":
            model.write_bytes(b"TREE\n")
        case "truncated":
            model.write_bytes(b"tre")
        case "missing":
            model.unlink()
        case "link":
            model.rename(folder.parent / "elsewhere.txt")
            model.symlink_to(folder.parent / "elsewhere.txt")
        case "linked folder":
            (folder / "more").symlink_to(folder.parent)
        case "pipe":
            model.unlink()
            os.mkfifo(model)
        case "unlisted":
            (folder / "notes.txt").write_text("x")
        case "no metadata":
            (folder / "metadata.json").unlink()
        case "metadata folder":
            (folder / "metadata.json").unlink()
            (folder / "metadata.json").mkdir()
        case "many":
            for n in range(1001):
                (folder / f"{n}").touch()
    return folder


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("changed", "model.txt: has sha256 "),
        ("truncated", "model.txt: has sha256 "),
        ("missing", "model.txt: listed in metadata.json but missing"),
        ("link", "model.txt is not a regular file"),
        ("linked folder", "more is not a regular file"),
        ("pipe", "model.txt is not a regular file"),
        ("unlisted", "notes.txt: not listed in metadata.json"),
        ("no metadata", "metadata.json: No such file or directory"),
        ("metadata folder", "metadata.json is not a regular file"),
        ("many", "holds more than 1,000 files"),
    ],
)
def test_files_are_checked(registry: ModelRegistry, make_model: MakeModel, how: str, message: str) -> None:
    """A folder that is not what its metadata says is refused, and leaves nothing behind."""
    assert message in refusal(registry, _damage(make_model, how))


@pytest.mark.parametrize("version", ["1.0", "v1", "v01.0", "v1.0\n", "../v1.0", "v1.1234567", "v١.٠"])
def test_version_names_are_checked(registry: ModelRegistry, make_model: MakeModel, version: str) -> None:
    """A version is written as v1.0."""
    assert "is not a model version" in refusal(registry, make_model(), version)


def test_a_version_in_the_metadata_counts(registry: ModelRegistry, make_model: MakeModel) -> None:
    """A folder may name its version; asking for another one is a contradiction."""
    folder = make_model(version="v4.2")
    with pytest.raises(UsageError, match=r"metadata\.json says version 'v4\.2', not v1\.0"):
        registry.publish(folder, "v1.0", "jonas")
    assert "v4.2" == registry.publish(folder, None, "jonas").version


def _publish(bucket: Path, folder: Path, version: str | None, start: Any, answers: Any) -> None:
    start.wait(60)
    try:
        answers.put(ModelRegistry(FolderStore(bucket)).publish(folder, version, "jonas").version)
    except ShipwayError as error:
        answers.put(error.what)


@pytest.mark.parametrize(
    ("same", "version", "expected"),
    [
        (False, "v1.0", ["model v1.0 is there already, with other content; versions never change", "v1.0"]),
        (True, "v1.0", ["v1.0", "v1.0"]),
        (True, None, ["v1.0", "v1.0"]),
        (False, None, ["v1.0", "v1.1"]),
    ],
)
def test_two_publish_at_once(
    bucket: Path, make_model: MakeModel, same: bool, version: str | None, expected: list[str]
) -> None:
    """Of two processes that publish different content under one name, exactly one wins."""
    context = multiprocessing.get_context("fork")
    answers, start = context.Queue(), context.Barrier(2)
    folders = [make_model(b"a" * 1_000_000), make_model((b"a" if same else b"b") * 1_000_000)]
    processes = [context.Process(target=_publish, args=(bucket, f, version, start, answers)) for f in folders]
    for process in processes:
        process.start()
    told = sorted(answers.get(timeout=60) for _ in processes)
    for process in processes:
        process.join(60)
    assert expected == told
    registry = ModelRegistry(FolderStore(bucket))
    assert all(registry.verified(model.version) for model in registry.list())


_STEPS = ("open", "os.rename", "os.mkdir", "os.remove", "os.chmod", "os.rmdir")


def _killed_at(step: int, work: Callable[[], object]) -> bool:
    """Do `work` in a child that dies by SIGKILL at its n-th file operation; whether it got that far."""
    child = os.fork()
    if child == 0:
        seen = iter(range(1_000_000))

        def hook(event: str, _: object) -> None:
            if event in _STEPS and next(seen) == step:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        try:
            work()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_killed_at_any_moment_leaves_no_half_version(tmp_path: Path, make_model: MakeModel) -> None:
    """Whenever a publisher dies, a version is whole or not there, and the next publisher succeeds and tidies up."""
    folder = make_model(b"tree", more={"a/b.txt": b"b"})
    outcomes = []
    for step in range(200):
        bucket = tmp_path / f"bucket-{step}"
        registry = ModelRegistry(FolderStore(bucket))
        killed = _killed_at(step, partial(registry.publish, folder, None, "jonas"))
        outcomes.append((killed, [registry.verified(model.version).version for model in registry.list()]))
        assert "v1.0" == registry.publish(folder, None, "jonas").version
        assert [".lock", "v1.0"] == sorted(path.name for path in bucket.iterdir())
        if not killed:
            break
    assert (False, ["v1.0"]) == outcomes[-1]
    assert [(True, [])] * 9 == outcomes[:9]


def test_killed_while_approving_leaves_the_old_or_the_new(tmp_path: Path, make_model: MakeModel) -> None:
    """An approval is noted or not; the version stays whole."""
    folder = make_model()
    statuses = []
    for step in range(200):
        registry = ModelRegistry(FolderStore(tmp_path / f"bucket-{step}"))
        registry.publish(folder, None, "jonas")
        killed = _killed_at(step, partial(registry.decide, "v1.0", "approved", "mei", "fine", 1_795_417_200.0))
        statuses.append(registry.verified("v1.0").approval_status)
        assert "approved" == registry.decide("v1.0", "approved", "mei", "fine", 1_795_417_200.0).approval_status
        if not killed:
            break
    assert ["pending", "approved"] == [statuses[0], statuses[-1]]
    assert sorted(statuses, reverse=True) == statuses


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_no_byte_of_a_version_can_change_unseen(
    registry: ModelRegistry, bucket: Path, make_model: MakeModel, data: st.DataObject
) -> None:
    """Changing, adding or removing any byte of the model file is found."""
    if not registry.list():
        registry.publish(make_model(bytes(range(256))), None, "jonas")
    path = bucket / "v1.0" / "model.txt"
    whole = bytes(range(256))
    at = data.draw(st.integers(0, 256))
    changed = whole[:at] + data.draw(st.binary(max_size=2)) + whole[at + data.draw(st.integers(0, 2)) :]
    path.chmod(0o644)
    path.write_bytes(changed)
    if changed == whole:
        registry.verified("v1.0")
    else:
        with pytest.raises(Refused):
            registry.verified("v1.0")


def test_metadata_survives_its_own_format(make_model: MakeModel) -> None:
    """What is written is read back the same, with letters of any script."""
    document = json.loads((make_model(author="Ämira 東京") / "metadata.json").read_text())
    assert document == metadata.parse(metadata.dump(document), "metadata.json")[0]
