"""What desks rely on of a place for secrets: of the one of this machine, of AWS's, and of the tests' own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from shipway.aws.calls import Calls
from shipway.aws.names import Names
from shipway.aws.secrets import SecretsManager
from shipway.core.ports.state import Secrets
from shipway.core.secrets.secret import LARGEST
from shipway.local.secrets.key import Keys
from shipway.local.secrets.sealed_secrets import SealedSecrets
from tests.doubles.secrets import FakeSecrets

REGION = "us-east-1"


@pytest.fixture(params=["in memory", "this machine", "AWS"])
def secrets(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Secrets]:
    """Each of the three, with places for A and B in dev and in prod."""
    if request.param == "in memory":
        yield FakeSecrets()
    elif request.param == "this machine":
        yield SealedSecrets(tmp_path / "secrets.json", Keys(tmp_path / "config" / "secrets.key"))
    else:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "testing")
        monkeypatch.delenv("AWS_PROFILE", raising=False)
        with mock_aws():
            calls = Calls(REGION, sleep=lambda _: None)
            # Terraform makes the places, the database's and other apps' among them.
            for place in ("ontime/dev/A", "ontime/dev/B", "ontime/prod/A", "ontime/dev/database/user", "other/dev/C"):
                calls.call("secretsmanager", "create_secret", Name=f"/{place}")
            value = {"SecretId": "/ontime/dev/database/user", "SecretString": "{}"}
            calls.call("secretsmanager", "put_secret_value", **value)
            yield SecretsManager(calls, Names("ontime", "123456789012", REGION))


def names(secrets: Secrets, environment: str) -> list[str]:
    return [secret.name for secret in secrets.list(environment)]


def test_what_is_set_is_listed_by_name_in_its_environment(secrets: Secrets) -> None:
    """A place without a value is not."""
    assert [] == names(secrets, "dev")
    before = time.time() - 2
    stored = secrets.set("dev", "B", "of great value")
    assert before <= stored.set_at <= time.time() + 2
    secrets.set("dev", "A", "x" * LARGEST)
    assert ["A", "B"] == names(secrets, "dev")
    assert stored in secrets.list("dev")
    assert [] == names(secrets, "prod")


def test_another_value_is_another_version(secrets: Secrets) -> None:
    """By that, tasks that have the former one are told."""
    first = secrets.set("dev", "A", "one of great value")
    second = secrets.set("dev", "A", "two\nof grëat välue")
    assert first.version != second.version
    assert [second.version] == [secret.version for secret in secrets.list("dev")]


def test_what_is_unset_is_gone_until_it_is_set_again(secrets: Secrets) -> None:
    """Unsetting what has no value is no error."""
    secrets.unset("dev", "A")
    secrets.set("dev", "A", "of great value")
    secrets.set("prod", "A", "of great value")
    secrets.unset("dev", "A")
    assert ([], ["A"]) == (names(secrets, "dev"), names(secrets, "prod"))
    secrets.set("dev", "A", "of great value")
    assert ["A"] == names(secrets, "dev")


def test_a_value_can_be_handed_out(secrets: Secrets) -> None:
    """Nothing is wrong with where they are kept, empty or not."""
    secrets.check()
    secrets.set("dev", "A", "of great value")
    secrets.check()
