"""The offer from Parameter Store and bundles from S3, as moto plays them within this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from app_updates.archives import LARGEST
from app_updates.contract.bundles import Offer
from app_updates.following import Follower
from app_updates.places import Unreadable, bucket_at, parameter_at
from app_updates.signing import SigningKey
from tests.bundles import described, zipped

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
    assert 1.2 <= parameter.interval <= 1.8
    follower.close()


def test_missing_object_is_tried_again(aws: Any) -> None:
    """It says which, and what AWS answered."""
    with pytest.raises(Unreadable, match=r"s3://.*/dev/1\.0\.0-x/metadata\.json.*NoSuchKey"):
        bucket_at(f"s3://{BUCKET}/dev", 100)("1.0.0-x/metadata.json")
