"""Model versions in S3 (moto): what only S3 has, as files that are put one by one."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shipway.aws import version_store
from shipway.aws.calls import Calls
from shipway.aws.names import Names
from shipway.aws.version_store import S3VersionStore
from shipway.core.errors import Refused, ShipwayError
from shipway.core.ports.models import FileDigest
from tests.aws.model_bench import client


@pytest.fixture
def store(calls: Calls, names: Names) -> S3VersionStore:
    calls.call("s3", "create_bucket", Bucket=names.models_bucket)
    return S3VersionStore(Calls(calls.region, client=client), names.models_bucket)


def trained(folder: Path, **files: bytes) -> tuple[str, dict[str, FileDigest]]:
    """A folder, and what its files are."""
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return str(folder), {name: (hashlib.sha256(data).hexdigest(), len(data)) for name, data in files.items()}


def test_files_come_before_the_metadata(store: S3VersionStore, calls: Calls, names: Names, tmp_path: Path) -> None:
    """A version is there when its metadata is: without it nobody sees files that a killed publisher left."""
    folder, files = trained(tmp_path / "a", model=b"tree\n")
    put, order = store._put, []

    def recorded(key: str, *rest: object, **options: str) -> bool:
        order.append((key, store.versions()))
        return put(key, *rest, **options)

    store._put = recorded  # type: ignore[method-assign, assignment]
    assert store.add("v1.0", folder, files, b"{}")
    assert [("v1.0/model", ()), ("v1.0/metadata.json", ())] == order


def test_an_interrupted_publication_is_finished_by_the_next(
    store: S3VersionStore, calls: Calls, tmp_path: Path
) -> None:
    """The same files are not put twice in vain, other ones are refused until nobody can be at work on them."""
    folder, files = trained(tmp_path / "a", holdout=b"1\n", model=b"tree\n")
    store._add_file("v1.0", "holdout", Path(folder, "holdout"), files["holdout"])
    other, others = trained(tmp_path / "b", holdout=b"2\n", model=b"another\n")
    with pytest.raises(Refused, match=r"somebody else is publishing v1\.0, or left it unfinished"):
        store.add("v1.0", other, others, b"{}")
    assert store.add("v1.0", folder, files, b"{}")
    assert files == {name: store.digest("v1.0", name) for name in files}


def test_what_was_left_an_hour_ago_makes_room(
    store: S3VersionStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody publishes for that long."""
    folder, files = trained(tmp_path / "a", model=b"tree\n")
    store._add_file("v1.0", "model", Path(folder, "model"), files["model"])
    other, others = trained(tmp_path / "b", model=b"another\n")
    monkeypatch.setattr(version_store, "UNFINISHED", -1.0)
    assert store.add("v1.0", other, others, b"{}")
    assert others["model"] == store.digest("v1.0", "model")


def test_age_is_told_by_s3_s_own_clock() -> None:
    """The one of this machine may be wrong."""
    now = datetime(2026, 11, 26, 12, tzinfo=UTC)
    headers = {"date": "Thu, 26 Nov 2026 12:00:00 GMT"}
    head = {"LastModified": now - timedelta(seconds=90), "ResponseMetadata": {"HTTPHeaders": headers}}
    assert 90.0 == version_store._age(head)


def test_a_missing_bucket_is_explained(calls: Calls) -> None:
    """With what makes it."""
    store = S3VersionStore(calls, "ontime-000000000000-ml-models-bucket")
    for call in (store.versions, lambda: store.metadata("v1.0"), lambda: store.point("v1.0")):
        with pytest.raises(ShipwayError, match="there is no bucket ontime-000000000000") as caught:
            call()
        assert caught.value.fix.startswith("apply infra/app first")


def test_objects_that_lead_out_of_their_folder_are_refused(store: S3VersionStore, calls: Calls, names: Names) -> None:
    """S3 takes any name."""
    for key in ("v1.0/metadata.json", "v1.0/../../escaped"):
        calls.call("s3", "put_object", Bucket=names.models_bucket, Key=key, Body=b"{}")
    with pytest.raises(Refused, match="leads out of its folder"), store.at_hand("v1.0"):
        pass
