"""Versions, their approval, and the one that new releases take."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipway.core.contract.schema import canonical_digest
from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.core.ports.models import Models
from shipway.registry.registry import ModelRegistry
from tests.nearly_full_disk import little_room

MakeModel = Callable[..., Path]
AT = 1_795_417_200.0


def approved(registry: ModelRegistry, folder: Path) -> str:
    """Publish and approve a folder."""
    version = registry.publish(folder, None, "jonas").version
    registry.decide(version, "approved", "mei", "better", AT)
    return version


def test_is_the_pipelines_port(registry: ModelRegistry) -> None:
    """The registry can be passed where the pipeline asks for its models."""
    models: Models = registry
    assert registry is models


def test_a_published_folder_becomes_a_version(registry: ModelRegistry, make_model: MakeModel, bucket: Path) -> None:
    """The bucket holds the same files and the metadata, read-only for its owner alone, waiting for approval."""
    folder = make_model(b"tree 1\n", more={"extra/vocabulary.txt": b"a\n"})
    model = registry.publish(folder, None, "jonas")
    assert ("v1.0", "delays", "amira", "pending") == (model.version, model.name, model.author, model.approval_status)
    version = bucket / "v1.0"
    assert b"tree 1\n" == (version / "model.txt").read_bytes()
    assert b"a\n" == (version / "extra/vocabulary.txt").read_bytes()
    written = json.loads((folder / "metadata.json").read_text())
    assert {**written, "version": "v1.0"} == registry.metadata("v1.0")
    assert {0o400} == {stat.S_IMODE(p.stat().st_mode) for p in version.rglob("*") if p.is_file()}
    assert model == registry.get("v1.0") == registry.verified("v1.0")


def test_versions_are_numbered_and_listed_in_order(registry: ModelRegistry, make_model: MakeModel) -> None:
    """The next minor version is taken, and v1.10 comes after v1.9."""
    assert () == registry.list()
    registry.publish(make_model(b"0"), "v1.9", "jonas")
    assert "v1.10" == registry.publish(make_model(b"1"), None, "jonas").version
    registry.publish(make_model(b"2"), "v2.0", "jonas")
    assert ["v1.9", "v1.10", "v2.0"] == [model.version for model in registry.list()]


def test_the_publishers_name_fills_a_gap_only(registry: ModelRegistry, make_model: MakeModel) -> None:
    """The author is who trained the model; who publishes it is named where nobody else is."""
    assert "amira" == registry.publish(make_model(b"0"), None, "jonas").author
    assert "jonas" == registry.publish(make_model(b"1", author=None), None, "jonas").author


def test_a_training_cannot_approve_itself(registry: ModelRegistry, make_model: MakeModel) -> None:
    """Whatever approval a folder claims, a new version waits for one."""
    folder = make_model(approval={"status": "approved", "by": "me", "at": "2026", "why": None})
    document = json.loads((folder / "metadata.json").read_text())
    (folder / "metadata.json").write_text(json.dumps({**document, "approval_history": [document["approval"]]}))
    assert "pending" == registry.publish(folder, None, "jonas").approval_status
    assert "approval_history" not in registry.metadata("v1.0")


def test_the_same_content_is_published_once(
    registry: ModelRegistry, make_model: MakeModel, bucket: Path, snapshot: Callable[[Path], dict[str, bytes]]
) -> None:
    """Publishing again answers what is there, with its approval, and changes nothing."""
    approved(registry, make_model())
    before = snapshot(bucket)
    again = [registry.publish(make_model(), version, "jonas") for version in (None, "v1.0")]
    again.append(registry.publish(bucket / "v1.0", None, "jonas"))
    assert [("v1.0", "approved")] * 3 == [(model.version, model.approval_status) for model in again]
    assert before == snapshot(bucket)


def test_a_version_never_changes(registry: ModelRegistry, make_model: MakeModel, bucket: Path) -> None:
    """Other content under a name that is taken is refused, and the next free name is told."""
    registry.publish(make_model(b"old"), "v1.4", "jonas")
    with pytest.raises(Refused, match=r"model v1\.4 is there already, with other content") as raised:
        registry.publish(make_model(b"new"), "v1.4", "jonas")
    assert "publish it as v1.5, the next free version" == raised.value.fix
    assert b"old" == (bucket / "v1.4/model.txt").read_bytes()


def test_approval_is_all_that_changes(registry: ModelRegistry, make_model: MakeModel) -> None:
    """Who decided what, when and why is noted; the rest stays as it was."""
    registry.publish(make_model(), None, "jonas")
    before = registry.metadata("v1.0")
    assert "approved" == registry.decide("v1.0", "approved", "mei", "AUC +2 %", AT).approval_status
    decision = {"status": "approved", "by": "mei", "at": "2026-11-23T07:00:00Z", "why": "AUC +2 %"}
    assert {**before, "approval": decision, "approval_history": [decision]} == registry.metadata("v1.0")


def test_every_decision_is_kept(registry: ModelRegistry, make_model: MakeModel) -> None:
    """The history holds who decided what, when and why, oldest first; repeating a decision adds nothing."""
    registry.publish(make_model(), None, "jonas")
    registry.decide("v1.0", "approved", "mei", "better", AT)
    registry.decide("v1.0", "rejected", "ann", "biased", AT + 60)
    registry.decide("v1.0", "rejected", "bob", "me too", AT + 120)
    model = registry.decide("v1.0", "approved", "mei", "mended the data", AT + 180)
    assert ("approved", "mei", "2026-11-23T07:03:00Z") == (model.approval_status, model.approval_by, model.approval_at)
    history = registry.metadata("v1.0")["approval_history"]
    assert [("approved", "better"), ("rejected", "biased"), ("approved", "mended the data")] == [
        (entry["status"], entry["why"]) for entry in history
    ]
    assert history[-1] == registry.metadata("v1.0")["approval"]


def test_a_decision_from_before_there_was_a_history_is_kept(
    registry: ModelRegistry, make_model: MakeModel, bucket: Path
) -> None:
    """The next decision finds it where it always stood."""
    registry.publish(make_model(), None, "jonas")
    old = {"status": "approved", "by": "mei", "at": "2025-01-01T00:00:00Z", "why": ""}
    _write(bucket / "v1.0/metadata.json", json.dumps({**registry.metadata("v1.0"), "approval": old}).encode())
    registry.decide("v1.0", "archived", "ann", "old", AT)
    assert ["mei", "ann"] == [entry["by"] for entry in registry.metadata("v1.0")["approval_history"]]


def test_a_decision_needs_a_person_and_a_reason(registry: ModelRegistry, make_model: MakeModel) -> None:
    """Neither may be missing, and nothing is written then."""
    registry.publish(make_model(), None, "jonas")
    for by, why in ((" ", "fine"), ("mei", ""), ("mei", "x" * 2001)):
        with pytest.raises(UsageError, match="a decision needs a person, and a reason"):
            registry.decide("v1.0", "approved", by, why, AT)
    assert "pending" == registry.get("v1.0").approval_status


def test_promoting_approves_a_pending_version_only(registry: ModelRegistry, make_model: MakeModel) -> None:
    """Who promotes approves; but what somebody rejected takes a decision of its own."""
    registry.publish(make_model(b"0"), None, "jonas")
    registry.publish(make_model(b"1"), None, "jonas")
    registry.make_latest("v1.0", "mei", "first", AT)
    assert "promoted: first" == registry.get("v1.0").approval_why
    registry.decide("v1.1", "rejected", "ann", "biased", AT)
    with pytest.raises(Refused, match=r"model v1\.1 was rejected by ann \(biased\)") as raised:
        registry.make_latest("v1.1", "mei", "again", AT)
    assert 'use another version, or shipway model approve v1.1 --why "…"' == raised.value.fix
    assert "v1.0" == registry.latest_name()


def test_latest_is_an_approved_version(registry: ModelRegistry, make_model: MakeModel, bucket: Path) -> None:
    """New releases take what was promoted, and only an approved version can be."""
    assert None is registry.latest_name()
    with pytest.raises(Refused, match="no model version was promoted"):
        registry.latest()
    registry.publish(make_model(b"0"), None, "jonas")
    with pytest.raises(Refused, match=r"model v1\.0 is pending; only an approved version goes into releases"):
        registry.set_latest("v1.0")
    assert None is registry.latest_name()
    registry.decide("v1.0", "approved", "mei", "fine", AT)
    assert registry.set_latest("v1.0") == registry.latest() == registry.get("v1.0")
    assert "v1.0\n" == (bucket / "latest").read_text()


def test_a_rejected_version_goes_into_no_release(registry: ModelRegistry, make_model: MakeModel) -> None:
    """A version that is rejected after its promotion is not taken any more."""
    registry.set_latest(approved(registry, make_model()))
    registry.decide("v1.0", "rejected", "mei", "wrong at night", AT)
    with pytest.raises(Refused, match=r"model v1\.0 is rejected"):
        registry.latest()


@pytest.mark.parametrize("version", ["v9.9", "v1", "../v1.0", "", "latest", "v1.0/"])
def test_unknown_versions_are_told_with_those_there_are(
    registry: ModelRegistry, make_model: MakeModel, version: str
) -> None:
    """A name that leads nowhere is a usage error everywhere."""
    registry.publish(make_model(), None, "jonas")
    for call in (registry.get, registry.metadata, registry.verified, registry.set_latest):
        with pytest.raises(UsageError, match=r"there are: v1\.0"):
            call(version)


@pytest.mark.parametrize("content", ["v1", "", "v1.0\nv1.1", "\x00" * 100])
def test_a_damaged_pointer_is_refused(registry: ModelRegistry, bucket: Path, content: str) -> None:
    """A pointer that names no version is told, not followed."""
    bucket.mkdir()
    (bucket / "latest").write_text(content)
    with pytest.raises(Refused, match="which is not a model version"):
        registry.latest()


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    _write(path, bytes(data))


def _write(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def _link(path: Path) -> None:
    path.rename(path.with_suffix(".moved"))
    path.symlink_to(path.with_suffix(".moved"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda v: _flip(v / "model.txt"),
            r"model v1\.0: model\.txt has sha256 [0-9a-f]{64}, metadata says [0-9a-f]{64}",
        ),
        (lambda v: _write(v / "model.txt", b"tre"), r"model v1\.0: model\.txt has sha256"),
        (lambda v: (v / "model.txt").unlink(), r"model v1\.0: model\.txt is missing"),
        (lambda v: (v / "more.txt").write_text(""), r"model v1\.0: more\.txt is not listed in metadata\.json"),
        (lambda v: _link(v / "model.txt"), r"model\.txt is not a regular file"),
        (lambda v: (v / "metadata.json").unlink(), r"metadata\.json: No such file"),
        (lambda v: _write(v / "metadata.json", b""), r"metadata\.json: line 1, column 1: not valid JSON"),
        (lambda v: _write(v / "metadata.json", (v / "metadata.json").read_bytes()[:200]), "not valid JSON"),
        (lambda v: _write(v / "metadata.json", b'{"name": "x"}'), r"metadata\.json: metrics: field required"),
        (lambda v: _write(v / "metadata.json", b" " * (5 << 20)), "more than 4,194,304 bytes"),
        (lambda v: v.rename(v.parent / "v1.1") and (v.parent / "v1.1").rename(v), None),
    ],
)
def test_damage_is_found(
    registry: ModelRegistry, make_model: MakeModel, bucket: Path, damage: Callable[[Path], Any], message: str | None
) -> None:
    """A version that changed on disk is refused by name, and nothing is promoted."""
    approved(registry, make_model())
    damage(bucket / "v1.0")
    if message is None:
        assert "v1.0" == registry.verified("v1.0").version
        return
    with pytest.raises(Refused, match=message) as raised:
        registry.verified("v1.0")
    assert raised.value.fix
    with pytest.raises(Refused):
        registry.set_latest("v1.0")
    assert None is registry.latest_name()


def test_a_renamed_version_is_refused(registry: ModelRegistry, make_model: MakeModel, bucket: Path) -> None:
    """A folder's name and its metadata must agree."""
    registry.publish(make_model(), None, "jonas")
    (bucket / "v1.0").rename(bucket / "v3.0")
    with pytest.raises(Refused, match=r"model v3\.0: metadata\.json says it is v1\.0"):
        registry.verified("v3.0")


def test_a_damaged_version_does_not_stop_the_next(registry: ModelRegistry, make_model: MakeModel, bucket: Path) -> None:
    """Publishing works beside a version that cannot be read."""
    registry.publish(make_model(b"0"), None, "jonas")
    _write(bucket / "v1.0/metadata.json", b"{")
    assert "v1.1" == registry.publish(make_model(b"1"), None, "jonas").version


def test_compares_versions(registry: ModelRegistry, make_model: MakeModel) -> None:
    """The way from one version to another: metrics, hyperparameters and features."""
    number = {"type": "number", "nullable": True}
    output = {"name": "probability"}
    a = {"features": [{"name": "x", **number}, {"name": "y", **number}], "output": output}
    b = {"features": [{"name": "z", **number}, {"name": "y", **number, "minimum": 0}], "output": output}
    for version, schema, metrics, parameters in (
        ("v1.0", a, {"auc": 0.5, "brier": 0.25}, {"rounds": 100, "depth": 3}),
        ("v1.1", b, {"auc": 0.75, "loss": 1}, {"rounds": 200, "depth": 3}),
    ):
        digest = f"sha256:{canonical_digest(schema)}"
        golden = [{"instance": {schema["features"][0]["name"]: 1, "y": 2}, "prediction": 0.3}]
        folder = make_model(
            metrics=metrics, hyperparameters=parameters, feature_schema=schema, feature_schema_digest=digest,
            golden=golden,
        )  # fmt: skip
        registry.publish(folder, version, "jonas")
    difference = registry.compare("v1.0", "v1.1")
    assert {
        "auc": {"a": 0.5, "b": 0.75, "difference": 0.25},
        "brier": {"a": 0.25, "b": None, "difference": None},
        "loss": {"a": None, "b": 1, "difference": None},
    } == difference["metrics"]
    assert {"rounds": {"a": 100, "b": 200}} == difference["hyperparameters"]
    schema_difference = difference["schema"]
    assert (["z"], ["x"], False) == (
        schema_difference["added"],
        schema_difference["removed"],
        schema_difference["reordered"],
    )
    assert (None, 0) == tuple(schema_difference["changed"]["y"][side]["minimum"] for side in ("a", "b"))


@pytest.mark.parametrize("room", [0, 10, 500, 50_000])
def test_a_full_disk_publishes_no_half_version(
    registry: ModelRegistry, make_model: MakeModel, bucket: Path, room: int
) -> None:
    """Whenever the disk is full, nothing is published and nothing is left lying; with room again, the same is."""
    folder = make_model(more={"notes.txt": b"x" * 100_000})
    with little_room(room), pytest.raises((OSError, ShipwayError)):
        registry.publish(folder, None, "jonas")
    assert () == registry.list()
    assert [] == [path for path in bucket.glob("*") if path.name != ".lock"]
    assert [] == list(bucket.glob(".incoming*"))
    assert "v1.0" == registry.publish(folder, None, "jonas").version
