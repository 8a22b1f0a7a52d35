"""What doctor finds on AWS, and the fix of each fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipway.aws import quotas
from shipway.core.checks import Check
from tests.aws.descriptions import repositorys
from tests.cli.worlds import OnAws
from tests.doubles.aws.target import OverDouble


def found(aws: OnAws) -> dict[str, Check]:
    """Every check by its name; of those with the same name the worst one."""
    checks: dict[str, Check] = {}
    for check in OverDouble(aws.root).checks((), set):
        if check.name not in checks or check.state == "bad":
            checks[check.name] = check
    return checks


def test_an_app_that_is_all_there_is_good(aws: OnAws) -> None:
    """Everything but what only those need who apply Terraform."""
    checks = found(aws)
    assert {"good"} == {check.state for name, check in checks.items() if name != "terraform"}
    assert "ann" == checks["credentials"].found
    assert "hello 1/1" == checks["dev"].found


def test_a_connection_that_nobody_has_confirmed(aws: OnAws) -> None:
    """With the place in the console where one does."""
    aws.aws.connection = "PENDING"
    check = found(aws)["connection"]
    assert ("bad", "PENDING: no push starts a run") == (check.state, check.found)
    assert "https://console.aws.amazon.com/codesuite/settings/connections?region=us-east-1" in check.fix


def test_a_certificate_that_waits_lists_its_records(aws: OnAws) -> None:
    """Word by word what has to be written into the domain's DNS."""
    aws.aws.certificates = {"hello.example": "PENDING_VALIDATION"}
    checks = [check for check in OverDouble(aws.root).checks((), set) if check.name == "certificate"]
    assert ["bad", "bad"] == [check.state for check in checks]
    assert "infra/environments/dev" in checks[0].fix
    assert "_x.hello.example. CNAME _y.acm-validations.aws." in checks[1].fix


def test_a_quota_that_is_too_low(aws: OnAws) -> None:
    """How much to ask for, and where."""
    aws.aws.quota = 1.0
    check = found(aws)["quota"]
    assert "bad" == check.state
    assert "ask for 1.25 or more" in check.fix
    assert "servicequotas/home/services/fargate/quotas/L-3032A538?region=us-east-1" in check.fix


@pytest.mark.parametrize(
    ("gone", "name", "fix"), [("dev", "dev", "infra/environments/dev"), (None, "state", "infra/bootstrap")]
)
def test_what_was_not_applied(aws: OnAws, gone: str | None, name: str, fix: str) -> None:
    """Which folder of infra/ makes it."""
    if gone is None:
        aws.aws.moto.call("s3", "delete_bucket", Bucket="hello-123456789012-terraform-state")
    else:
        del aws.aws.running[gone]
    check = found(aws)[name]
    assert "bad" == check.state
    assert fix in check.fix


def test_credentials_of_another_account_end_the_list(aws: OnAws) -> None:
    """What is called the same there is none of ours."""
    aws.aws.account = "999999999999"
    checks = found(aws)
    assert "bad" == checks["credentials"].state
    assert "999999999999" in checks["credentials"].found
    assert "pipeline" not in checks


def test_no_credentials(aws: OnAws) -> None:
    """How to log in."""
    aws.aws.clients.fail("sts:GetCallerIdentity", "ExpiredTokenException")
    assert "aws sso login" in found(aws)["credentials"].fix


def test_what_may_not_be_looked_at_is_no_fault(aws: OnAws) -> None:
    """Who deploys need not read quotas."""
    aws.aws.clients.fail("service-quotas:GetServiceQuota", "AccessDeniedException")
    checks = found(aws)
    assert "quota" not in checks
    assert "optional" == checks["not allowed"].state


def test_a_region_that_aws_does_not_have(aws: OnAws) -> None:
    """Found without a call: a wrong one has no address to ask."""
    described(aws.root, "us-esat-1")
    check = found(aws)["region"]
    assert "bad" == check.state
    assert "us-east-1" in check.fix


def test_an_app_without_an_aws_section(aws: OnAws) -> None:
    """What to add."""
    text = (aws.root / "shipway.yaml").read_text()
    (aws.root / "shipway.yaml").write_text(text[: text.index("aws:")] + text[text.index("environments:") :])
    check = found(aws)["shipway.yaml"]
    assert "no aws: section" in check.found


def test_vcpus_at_the_largest() -> None:
    """Three services of .25 in three environments of 2, 3 and 6 tasks, and prod's second side beside them."""
    assert (2 + 3 + 6 + 6) * 3 * 0.25 == quotas.needed(repositorys())


def described(root: Path, region: str) -> None:
    path = root / "shipway.yaml"
    path.write_text(path.read_text().replace("us-east-1", region))
