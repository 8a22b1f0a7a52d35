"""What the registry relies on of a store of model versions: the folder of this machine, and S3 (moto)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from moto import mock_aws

from shipway.aws.calls import Calls
from shipway.aws.version_store import S3VersionStore
from shipway.core.errors import Refused, UsageError
from shipway.core.ports.models import FileDigest, VersionStore
from shipway.registry.folder_store import FolderStore
from shipway.registry.registry import ModelRegistry
from tests.model_folders import write_model

BUCKET = "ontime-123456789012-ml-models-bucket"


@dataclass
class Bench:
    """A store, a second one over the same versions, and what happens to it from outside."""

    store: VersionStore
    other: VersionStore
    write: Callable[[str, bytes], None]


def _folder(tmp_path: Path) -> Iterator[Bench]:
    folder = tmp_path / "bucket"

    def write(name: str, data: bytes) -> None:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_bytes(data)

    yield Bench(FolderStore(folder), FolderStore(folder), write)


def _s3(tmp_path: Path) -> Iterator[Bench]:
    with mock_aws():
        calls = Calls("us-east-1")
        calls.call("s3", "create_bucket", Bucket=BUCKET)

        def write(name: str, data: bytes) -> None:
            calls.call("s3", "put_object", Bucket=BUCKET, Key=name, Body=data)

        yield Bench(S3VersionStore(calls, BUCKET), S3VersionStore(calls, BUCKET), write)


@pytest.fixture(params=[_folder, _s3], ids=["folder", "s3"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """Each of the two."""
    yield from request.param(tmp_path)


FILES = {"model.txt": b"tree\n", "more/holdout.csv": b"1,2\n"}


@pytest.fixture
def trained(tmp_path: Path) -> str:
    """The files of a version."""
    for name, data in FILES.items():
        file = tmp_path / "trained" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return str(tmp_path / "trained")


def listed(files: dict[str, bytes] = FILES) -> dict[str, FileDigest]:
    """What metadata says of them."""
    return {name: (hashlib.sha256(data).hexdigest(), len(data)) for name, data in files.items()}


def test_a_version_is_there_whole(bench: Bench, trained: str) -> None:
    """With its files, their digests and its metadata; also at hand on this machine."""
    assert () == tuple(bench.store.versions())
    assert bench.store.add("v1.0", trained, listed(), b"{}")
    assert ["v1.0"] == [*bench.other.versions()]
    assert sorted(FILES) == [*bench.store.files("v1.0")]
    assert listed() == {name: bench.store.digest("v1.0", name) for name in FILES}
    assert b"{}" == bench.store.metadata("v1.0")
    with bench.store.at_hand("v1.0") as folder:
        found = {
            path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()
        }
    assert {**FILES, "metadata.json": b"{}"} == found


def test_versions_come_in_numeric_order(bench: Bench, trained: str) -> None:
    """Whatever else lies in the bucket."""
    for name in ("v1.10", "v1.9", "v2.0"):
        bench.store.add(name, trained, listed(), b"{}")
    bench.write("version/metadata.json", b"{}")
    bench.write("v1/metadata.json", b"{}")
    assert ["v1.9", "v1.10", "v2.0"] == [*bench.store.versions()]


def test_a_name_is_given_once(bench: Bench, trained: str) -> None:
    """The second publisher is told; the first one's version stays as it is."""
    assert bench.store.add("v1.0", trained, listed(), b'{"by": 1}')
    assert not bench.other.add("v1.0", trained, listed(), b'{"by": 2}')
    assert b'{"by": 1}' == bench.store.metadata("v1.0")


def test_a_file_that_is_not_what_it_is_listed_as_makes_no_version(bench: Bench, trained: str) -> None:
    """Nobody sees anything of it."""
    with pytest.raises(Refused):
        bench.store.add("v1.0", trained, {**listed(), "model.txt": ("0" * 64, 5)}, b"{}")
    assert () == tuple(bench.store.versions())


def test_metadata_is_replaced_only_as_it_was_read(bench: Bench, trained: str) -> None:
    """Of two who decide at once, the second has to look again."""
    bench.store.add("v1.0", trained, listed(), b'{"n": 1}')
    assert bench.store.replace_metadata("v1.0", b'{"n": 1}', b'{"n": 2}')
    assert not bench.other.replace_metadata("v1.0", b'{"n": 1}', b'{"n": 3}')
    assert b'{"n": 2}' == bench.store.metadata("v1.0")


def test_latest_names_a_version_or_none(bench: Bench) -> None:
    """One line; anything else is refused."""
    assert None is bench.store.latest()
    bench.store.point("v1.0")
    assert "v1.0" == bench.other.latest()
    bench.write("latest", b"the newest\n")
    with pytest.raises(Refused, match="'the newest', which is not a model version"):
        bench.store.latest()


def test_an_unknown_version_is_a_usage_error(bench: Bench, trained: str) -> None:
    """Which says what there is."""
    bench.store.add("v1.0", trained, listed(), b"{}")
    for call in (bench.store.metadata, bench.store.files, lambda name: bench.store.at_hand(name).__enter__()):
        with pytest.raises(UsageError, match=r"no model version 'v9\.9'; there are: v1\.0"):
            call("v9.9")


def test_what_was_put_there_by_hand_is_verified_all_the_same(bench: Bench, tmp_path: Path) -> None:
    """Whoever writes objects without Shipway: right files verify, altered, missing and further ones are named."""
    folder = write_model(tmp_path / "by-hand", version="v1.0")
    for file in folder.iterdir():
        bench.write(f"v1.0/{file.name}", file.read_bytes())
    registry = ModelRegistry(bench.store)
    assert "v1.0" == registry.verified("v1.0").version
    bench.write("v1.0/model.txt", b"another tree\n")
    bench.write("v1.0/more.txt", b"")
    with pytest.raises(Refused, match=r"more\.txt is not listed.*\n.*model\.txt has sha256"):
        registry.verified("v1.0")
    assert "v1.0" == registry.decide("v1.0", "rejected", "mei", "damaged", 0.0).version


def test_a_registry_lives_in_it(bench: Bench, tmp_path: Path) -> None:
    """Published, approved, promoted; the same content again is the same version, another one the next."""
    registry = ModelRegistry(bench.store)
    folder = write_model(tmp_path / "first")
    assert ["v1.0", "v1.0"] == [registry.publish(folder, None, "jonas").version for _ in range(2)]
    assert "v1.1" == registry.publish(write_model(tmp_path / "second", b"another\n"), None, "jonas").version
    registry.make_latest("v1.1", "mei", "better", 1_790_000_000.0)
    assert ("v1.1", "approved") == (registry.latest().version, registry.latest().approval_status)
    assert ["approved"] == [entry["status"] for entry in registry.metadata("v1.1")["approval_history"]]
