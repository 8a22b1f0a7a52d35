"""Versions and their parameter in AWS while AWS fails: what serves goes on serving, and what is wrong never does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from following import following, reason, serves, until
from ml_model_service.versions import s3_source
from ml_model_service.versions.model import ModelError
from ml_model_service.versions.parameter import ParameterError, parameter_at
from ml_model_service.versions.reload import Served
from places import Aws, AwsServer, Environ

pytestmark = pytest.mark.slow


def throttled(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes] | None:
    """As Parameter Store answers who asks too often."""
    if environ.get("HTTP_X_AMZ_TARGET") != "AmazonSSM.GetParameter":
        return None
    start_response("400 Bad Request", [("content-type", "application/x-amz-json-1.1")])
    return [b'{"__type": "ThrottlingException", "message": "Rate exceeded"}']


def broken(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes] | None:
    """As S3 answers when it fails."""
    if environ["REQUEST_METHOD"] != "GET" or "/v1.1/" not in environ["PATH_INFO"]:
        return None
    start_response("500 Internal Server Error", [("content-type", "application/xml")])
    return [b"<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"]


def cut_off(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes] | None:
    """A connection that ends amid the object."""
    if environ["REQUEST_METHOD"] != "GET" or not environ["PATH_INFO"].endswith("/v1.1/model.txt"):
        return None
    size = str(cut_off.size)  # type: ignore[attr-defined]
    start_response("200 OK", [("content-length", size), ("etag", '"cut"'), ("connection", "close")])
    return [b"tree\n"]


def test_a_throttled_parameter_keeps_its_last_value(
    in_aws: Aws, aws: AwsServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The task serves on, says why and since when, asks less and less often, and follows again once it may."""
    in_aws.publish("v1.0")
    in_aws.publish("v1.1", 1)
    in_aws.point("v1.0")
    parameter = in_aws.parameter()

    async def story(served: Served) -> None:
        await until(serves(served, "v1.0"))
        with aws.failing(throttled):
            await until(lambda: served.stale is not None and served.stale.failures >= 3)
            assert served.stale is not None and "ThrottlingException: Rate exceeded" in served.stale.error
            assert served.parameter_failures >= 3
            in_aws.point("v1.1")
            assert served.model is not None and ("v1.0", None) == (served.model.version, served.pending)
        await until(serves(served, "v1.1"))
        await until(lambda: served.stale is None)

    following(in_aws, story)
    told = [record for record in caplog.records if "Rate exceeded" in record.getMessage()]
    assert [logging.WARNING] == [record.levelno for record in told]
    assert "'v1.0' stays wanted" in told[0].getMessage()
    assert "v1.1" == parameter.read()
    usual = [parameter.interval for _ in range(50)]
    with aws.failing(throttled):
        for _ in range(3):
            parameter.read()
    assert min(usual) >= 0.04
    assert max(usual) <= 0.06
    assert len(set(usual)) > 25
    assert 0.16 <= parameter.interval <= 0.24


def test_a_parameter_that_was_never_read_is_an_error(in_aws: Aws, aws: AwsServer) -> None:
    """There is no last value then; one that was deleted later keeps it."""
    in_aws.point("v1.0")
    parameter = in_aws.parameter()
    with aws.failing(throttled), pytest.raises(ParameterError, match=r"cannot read ssm:///.*: ThrottlingException"):
        parameter.read()
    assert "v1.0" == parameter.read()
    in_aws.forget_parameter()
    assert "v1.0" == parameter.read()
    assert parameter.stale is not None and "there is no ssm:///" in parameter.stale.error


def test_while_s3_fails_the_last_good_version_serves(in_aws: Aws, aws: AwsServer) -> None:
    """A version that cannot be fetched waits; it serves as soon as it can be."""
    in_aws.publish("v1.0")
    in_aws.publish("v1.1", 1)
    in_aws.point("v1.0")

    async def story(served: Served) -> None:
        await until(serves(served, "v1.0"))
        with aws.failing(broken):
            in_aws.point("v1.1")
            await until(lambda: "v1.1: cannot fetch it from s3://" in reason(served))
            assert "InternalError" in reason(served)
            assert served.model is not None and "v1.0" == served.model.version
        await until(serves(served, "v1.1"))

    following(in_aws, story)


def test_an_object_that_is_cut_off_is_fetched_again(in_aws: Aws, aws: AwsServer) -> None:
    """Half a file is nothing that S3 holds, so it is tried again; nothing of it is kept."""
    in_aws.publish("v1.1", 1)
    cut_off.size = len(in_aws.read("v1.1", "model.txt"))  # type: ignore[attr-defined]
    source = in_aws.source()
    with aws.failing(cut_off), pytest.raises(ModelError, match=r"v1\.1: cannot fetch it from s3://.*"):
        source.load("v1.1")
    assert [] == list(source.bucket.folder.iterdir())
    assert "v1.1" == source.load("v1.1").version


def test_a_wrong_digest_is_refused_and_not_fetched_again(in_aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the object is written anew: a gigabyte is not downloaded every few seconds to be refused again."""
    in_aws.publish("v1.0")
    in_aws.publish("v1.1", 1)
    whole = in_aws.read("v1.1", "model.txt")
    in_aws.write("v1.1", "model.txt", whole.replace(b"tree", b"TREE", 1))
    in_aws.point("v1.0")
    fetched: list[str] = []
    copied = s3_source._copied

    def counted(body: Any, target: Path) -> str:
        fetched.append(target.name)
        return copied(body, target)

    monkeypatch.setattr(s3_source, "_copied", counted)

    async def story(served: Served) -> None:
        await until(serves(served, "v1.0"))
        in_aws.point("v1.1")
        await until(lambda: "model.txt does not have the size and digest" in reason(served))
        asked = len(fetched)
        with pytest.raises(ModelError, match="does not have the size and digest"):
            in_aws.same_source().load("v1.1")
        assert asked == len(fetched)
        assert served.model is not None and "v1.0" == served.model.version
        in_aws.write("v1.1", "model.txt", whole)
        await until(serves(served, "v1.1"))

    following(in_aws, story)


def test_a_version_that_does_not_load_is_looked_at_again_when_it_changes(in_aws: Aws) -> None:
    """Files with right digests may still be no model; the copy of them is not kept for good."""
    in_aws.publish("v1.0", 0, golden=[])
    source = in_aws.source()
    for _ in range(2):
        with pytest.raises(ModelError, match="no golden predictions"):
            source.load("v1.0")
    in_aws.publish("v1.0")
    assert "v1.0" == source.load("v1.0").version


def test_versions_that_were_deleted_go_on_serving(in_aws: Aws) -> None:
    """From memory, and the way back from the copies on this machine."""
    for which, version in enumerate(["v1.0", "v1.1", "v1.2"]):
        in_aws.publish(version, which % 2)
    in_aws.point("v1.0")

    async def story(served: Served) -> None:
        for version in ("v1.0", "v1.1", "v1.2"):
            in_aws.point(version)
            await until(serves(served, version))
        for version in ("v1.0", "v1.1", "v1.2"):
            in_aws.remove(version)
        assert "v1.0" not in served.loaded
        in_aws.point("v1.0")
        await until(serves(served, "v1.0"))

    following(in_aws, story)


def test_an_unknown_version_leaves_the_old_one(in_aws: Aws) -> None:
    """The reason names the bucket."""
    in_aws.publish("v1.0")
    in_aws.point("v1.0")

    async def story(served: Served) -> None:
        await until(serves(served, "v1.0"))
        in_aws.point("v9.9")
        await until(lambda: f"v9.9: {in_aws.urls['MODEL_BUCKET']} has no such version" in reason(served))
        assert served.model is not None and "v1.0" == served.model.version

    following(in_aws, story)


def test_copies_are_bounded(in_aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """In number and bytes: those that were used longest ago make room."""
    monkeypatch.setattr(s3_source, "KEPT", 2)
    for version in ("v1.0", "v1.1", "v1.2"):
        in_aws.publish(version)
    source = in_aws.source()
    for version in ("v1.0", "v1.1", "v1.0", "v1.2"):
        source.load(version)
    assert {"v1.0", "v1.2"} == {folder.name for folder in source.bucket.folder.iterdir()}
    monkeypatch.setattr(s3_source, "KEPT_BYTES", len(in_aws.read("v1.0", "model.txt")) + 4096)
    source.load("v1.1")
    assert {"v1.1"} == {folder.name for folder in source.bucket.folder.iterdir()}


def test_metadata_that_leads_elsewhere_is_refused(in_aws: Aws) -> None:
    """A model file is a file of its version's folder."""
    in_aws.publish("v1.0", 0, model_file="../v1.1/model.txt")
    in_aws.publish("v1.1", 0, files={"model.txt": {"sha256": "0" * 64, "bytes": (1 << 30) + 1}})
    source = in_aws.source()
    with pytest.raises(ModelError, match="lists no file"):
        source.load("v1.0")
    with pytest.raises(ModelError, match="is larger than"):
        source.load("v1.1")


def test_without_a_region_nothing_starts(in_aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the variable."""
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(ParameterError, match=r"You must specify a region.*AWS_REGION"):
        parameter_at(in_aws.urls["MODEL_VERSION_PARAMETER"])
