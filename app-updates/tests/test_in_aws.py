"""The offer from Parameter Store and bundles from S3, as moto plays them within this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from app_updates.archives import LARGEST
from app_updates.contract.bundles import Offer, read_told
from app_updates.following import Follower
from app_updates.places import Unreadable, WrongPlace, bucket_at, parameter_at, put_at
from app_updates.reporting import reporter_of
from app_updates.settings import read_settings
from app_updates.signing import SigningKey
from tests.bundles import described, zipped
from tests.conftest import Task

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
PARAMETER, BUCKET = "/ontime/dev/app-bundle", "ontime-123456789012-app-bundles-bucket"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    moto = pytest.importorskip("moto")
    import boto3

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "made-up")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with moto.mock_aws():
        session = boto3.Session(region_name="us-east-1")
        session.client("s3").create_bucket(Bucket=BUCKET)
        yield session


def test_bundle_is_offered_from_s3_by_parameter_store(aws: Any, key: SigningKey) -> None:
    """It is verified and signed like one in a folder; while AWS is away what was offered stays in force."""
    content = zipped({"index.html": "a"})
    bundle = described(content, "a")
    store, parameters = aws.client("s3"), aws.client("ssm")
    for name, body in (("bundle.zip", content), ("metadata.json", bundle.text())):
        store.put_object(Bucket=BUCKET, Key=f"dev/{bundle.version}/{name}", Body=body)
    parameter = parameter_at(f"ssm://{PARAMETER}")
    follower = Follower(parameter, bucket_at(f"s3://{BUCKET}/dev", LARGEST), key)
    follower.look()
    assert "ParameterNotFound" in follower.faults[0]
    parameters.put_parameter(Name=PARAMETER, Value=Offer(stable=bundle.version).text(), Type="String")
    follower.look()
    assert [bundle.version] == list(follower.offering.ready)
    parameters.delete_parameter(Name=PARAMETER)
    follower.look()
    assert Offer(stable=bundle.version) == follower.offering.offer
    assert 2.4 <= parameter.interval <= 3.6
    for _ in range(20):
        follower.look()
    assert 24 <= parameter.interval <= 36
    parameters.put_parameter(Name=PARAMETER, Value=Offer(stable="builtin").text(), Type="String")
    follower.look()
    assert Offer(stable="builtin") == follower.offering.offer
    assert 1.2 <= parameter.interval <= 1.8
    follower.close()


def test_missing_object_is_tried_again(aws: Any) -> None:
    """It says which, and what AWS answered."""
    with pytest.raises(Unreadable, match=r"s3://.*/dev/1\.0\.0-x/metadata\.json.*NoSuchKey"):
        bucket_at(f"s3://{BUCKET}/dev", 100)("1.0.0-x/metadata.json")


def test_changed_bundle_in_s3_is_never_served(aws: Any, key: SigningKey) -> None:
    """Its digest is not the one that its metadata records."""
    content = zipped({"index.html": "a"})
    bundle = described(content, "a")
    for name, body in (("bundle.zip", content[:-1] + b"x"), ("metadata.json", bundle.text())):
        aws.client("s3").put_object(Bucket=BUCKET, Key=f"{bundle.version}/{name}", Body=body)
    aws.client("ssm").put_parameter(Name=PARAMETER, Value=Offer(stable=bundle.version).text(), Type="String")
    follower = Follower(parameter_at(f"ssm://{PARAMETER}"), bucket_at(f"s3://{BUCKET}", LARGEST), key)
    follower.look()
    assert {} == dict(follower.offering.ready)
    assert "SHA-256" in follower.offering.refused[bundle.version]
    follower.close()


def test_counts_are_reported_to_s3(aws: Any, task: Task, key: SigningKey) -> None:
    """As `GET /bundles` answers them; a report that fails is made good by the next one, and is told of once."""
    task.check_in("phone-1")
    settings = read_settings({
        "APP_BUNDLE_COUNTS": f"s3://{BUCKET}-not-yet/counts/dev", "APP_SIGNING_KEY": key.pem,
        "APP_BUNDLE_PARAMETER": f"ssm://{PARAMETER}", "APP_BUNDLES_BUCKET": f"s3://{BUCKET}",
    })  # fmt: skip
    reporter = reporter_of(settings, task.store, task.clock)
    assert reporter is not None
    reporter.report()
    aws.client("s3").create_bucket(Bucket=f"{BUCKET}-not-yet")
    reporter.start()
    reporter.close()
    body = aws.client("s3").get_object(Bucket=f"{BUCKET}-not-yet", Key="counts/dev/bundles.json")["Body"].read()
    assert read_told(json.dumps(task.told())) == read_told(body)
    assert 1 == read_told(body).running["builtin"].devices


@pytest.mark.parametrize("url", ["file:///counts", "s3://", "ssm:///x"])
def test_counts_go_to_s3_alone(aws: Any, url: str) -> None:
    """Anything else is refused at the start, with what is allowed."""
    with pytest.raises(WrongPlace, match="allowed is s3://bucket/prefix"):
        put_at(url)
