"""AWS's errors as a person meets them: what happened, and the fix."""

from typing import Any

import pytest
from botocore import exceptions as botocore
from botocore.exceptions import ClientError

from shipway.aws.calls import AccessDenied, AwsError, Calls, Interrupted, NotLoggedIn
from shipway.core.errors import Refused, ShipwayError


class Failing:
    """A client whose every operation fails in one way."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        def fail(**_: Any) -> None:
            raise self._error

        return fail


def answered(code: str, status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": f"about {code}"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Op"
    )


CASES = [
    (answered("ThrottlingException"), Interrupted, "slow down", "repeat"),
    (answered("SlowDown", 503), Interrupted, "slow down", "repeat"),
    (answered("SomethingNew", 500), Interrupted, "AWS failed", "repeat"),
    (answered("ExpiredTokenException"), NotLoggedIn, "expired", "aws sso login"),
    (answered("UnrecognizedClientException"), NotLoggedIn, "does not know these credentials", "aws sso login"),
    (answered("AccessDeniedException"), AccessDenied, "not allowed", "role"),
    (answered("PermanentRedirect", 301), AwsError, "is not in us-east-1", "aws.region"),
    (answered("InvalidParameterException"), AwsError, "about InvalidParameterException", ""),
    (botocore.NoCredentialsError(), NotLoggedIn, "no AWS credentials", "aws sso login"),
    (botocore.ProfileNotFound(profile="x"), NotLoggedIn, "no AWS credentials", "AWS_PROFILE"),
    (
        botocore.TokenRetrievalError(provider="sso", error_msg="gone"),
        NotLoggedIn,
        "no AWS credentials",
        "aws sso login",
    ),
    (
        botocore.EndpointConnectionError(endpoint_url="https://x"),
        Interrupted,
        "can't be reached in us-east-1",
        "region",
    ),
    (botocore.ReadTimeoutError(endpoint_url="https://x"), Interrupted, "no answer", "network"),
    (botocore.ParamValidationError(report="bad"), AwsError, "bad", ""),
]


@pytest.mark.parametrize(("error", "kind", "what", "fix"), CASES, ids=lambda case: type(case).__name__)
def test_each_error_is_one_of_ours_with_its_fix(error: Exception, kind: type[ShipwayError], what: str, fix: str):
    calls = Calls("us-east-1", client=lambda _: Failing(error))
    with pytest.raises(kind) as caught:
        calls.call("ecs", "describe_services")
    assert what in caught.value.what
    assert fix in caught.value.fix


def test_a_role_that_says_no_is_a_refusal():
    assert issubclass(AccessDenied, Refused)
    assert 3 == AccessDenied.exit_code


def test_a_mistake_of_our_own_is_not_taken_for_one_of_aws():
    with pytest.raises(TypeError):
        Calls("us-east-1", client=lambda _: Failing(TypeError("ours"))).call("ecs", "x")


def test_credentials_of_another_account_are_refused(calls: Calls):
    calls.check_account("123456789012")
    with pytest.raises(Refused, match=r"account 123456789012.*aws.account: 999999999999"):
        calls.check_account("999999999999")


def test_every_client_is_bounded_and_slows_down_by_itself():
    config = Calls("eu-central-1").client("ecs").meta.config
    assert (5, 60) == (config.connect_timeout, config.read_timeout)
    assert {"mode": "adaptive", "total_max_attempts": 6} == config.retries
    assert "eu-central-1" == config.region_name


def test_a_patient_caller_tries_an_interrupted_call_again_for_as_long_as_it_said():
    slept: list[float] = []
    failing = Failing(answered("ThrottlingException"))
    calls = Calls("us-east-1", patience=20, sleep=slept.append, client=lambda _: failing)
    with pytest.raises(Interrupted):
        calls.call("ecs", "describe_services")
    assert [1.0, 2.0, 4.0, 8.0, 16.0] == slept
