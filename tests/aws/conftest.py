"""AWS within the test's process (moto), and credentials that belong to nobody."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from shipway.aws.calls import Calls
from shipway.aws.names import Names
from tests.cli.worlds import OnAws

REGION = "us-east-1"
ACCOUNT = "123456789012"


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds the credentials of whoever runs it."""
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


_clients: dict[str, Any] = {}


def _client(service: str) -> Any:
    """Made once for all tests, as that takes half a second; moto answers it all the same."""
    if service not in _clients:
        _clients[service] = boto3.session.Session(region_name=REGION).client(service)
    return _clients[service]


@pytest.fixture
def names() -> Names:
    return Names("ontime", ACCOUNT, REGION)


@pytest.fixture
def calls(names: Names) -> Iterator[Calls]:
    with mock_aws():
        calls = Calls(REGION, client=_client)
        calls.call("s3", "create_bucket", Bucket=names.releases_bucket)
        yield calls


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OnAws]:
    """An app on AWS whose c1 serves in dev and in prod."""
    world = OnAws(tmp_path.resolve(), monkeypatch)
    yield world
    world.close()
