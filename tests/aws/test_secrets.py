"""Secrets Manager (moto): what desks ask beyond the port."""

from __future__ import annotations

from typing import Any

import pytest

from shipway.aws.calls import Calls
from shipway.aws.names import Names
from shipway.aws.secret_desk import AwsSecretDesk
from shipway.aws.secrets import SecretsManager
from shipway.core.description.app import App
from shipway.core.errors import Refused, ShipwayError
from tests.aws.descriptions import ontime

VALUE = "of great value"


def app() -> App:
    """The example, whose backend names MAPS_API_KEY."""
    backend = ontime().services["backend-api"].model_copy(update={"secrets": ("MAPS_API_KEY",)})
    return ontime().model_copy(update={"services": {**ontime().services, "backend-api": backend}})


class Answering:
    """A Secrets Manager that takes v1, and goes on showing v9."""

    def describe_secret(self, **_: Any) -> Any:
        return {"VersionIdsToStages": {"v9": ["AWSCURRENT"]}}

    def put_secret_value(self, **_: Any) -> Any:
        return {"VersionId": "v1"}


@pytest.fixture
def desk(calls: Calls, names: Names) -> AwsSecretDesk:
    """An app whose backend names MAPS_API_KEY, which has a place in dev."""
    calls.call("secretsmanager", "create_secret", Name=names.secret("dev", "MAPS_API_KEY"))
    return AwsSecretDesk(app(), SecretsManager(calls, names))


def test_a_value_goes_in_and_is_never_asked_for(desk: AwsSecretDesk, calls: Calls, names: Names):
    asked: list[str] = []
    calls.client("secretsmanager").meta.events.register("before-call.*.*", lambda model, **_: asked.append(model.name))
    change = desk.set("dev", "MAPS_API_KEY", VALUE, "ann", "")
    assert (("backend-api",), "shipway --target aws deploy --env dev") == (change.running, change.redeploy)
    assert [("MAPS_API_KEY", True)] == [(secret.name, secret.set_at is not None) for secret in desk.list("dev")]
    assert {"DescribeSecret", "PutSecretValue", "ListSecrets"} == set(asked)
    held = calls.call("secretsmanager", "get_secret_value", SecretId=names.secret("dev", "MAPS_API_KEY"))
    assert VALUE == held["SecretString"]


def test_a_place_that_terraform_has_not_made_is_refused(desk: AwsSecretDesk):
    with pytest.raises(Refused, match="no place for OTHER in dev") as refused:
        desk.set("dev", "OTHER", VALUE, "ann", "")
    assert "Terraform makes the place" in refused.value.fix


def test_what_a_service_names_is_not_unset(desk: AwsSecretDesk):
    desk.set("dev", "MAPS_API_KEY", VALUE, "ann", "")
    with pytest.raises(Refused, match=r"named by backend-api of shipway\.yaml"):
        desk.unset("dev", "MAPS_API_KEY", "ann", "")


def test_a_deploy_that_lacks_a_value_is_refused_with_the_command(desk: AwsSecretDesk):
    with pytest.raises(Refused, match="MAPS_API_KEY in dev") as refused:
        desk.check_deployable(app(), ["dev"])
    assert "shipway secrets set MAPS_API_KEY --env dev" == refused.value.fix
    desk.set("dev", "MAPS_API_KEY", VALUE, "ann", "")
    desk.check_deployable(app(), ["dev"])


def test_a_value_that_is_not_shown_as_the_current_one_is_a_fault(names: Names):
    """Somebody else's came after it, or AWS takes longer than it ever should."""
    calls = Calls("us-east-1", sleep=lambda _: None, client=lambda _: Answering())
    with pytest.raises(ShipwayError, match="does not show it as the current one") as error:
        SecretsManager(calls, names).set("dev", "A", VALUE)
    assert VALUE not in f"{error.value.what}{error.value.fix}"
