"""Calls of AWS: one session, bounded waits, and its errors as ours, each with the fix that works."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from shipway.core.errors import Refused, ShipwayError

CONNECT_TIMEOUT, READ_TIMEOUT, ATTEMPTS = 5, 60, 6
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
_THROTTLED = frozenset({
    "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
    "TooManyRequestsException", "RequestLimitExceeded", "BandwidthLimitExceeded", "SlowDown", "LimitExceededException",
    "PriorRequestNotComplete", "ProvisionedThroughputExceededException", "TransactionInProgressException",
})  # fmt: skip
_PASSING = frozenset({
    "InternalError", "InternalFailure", "InternalServerError", "InternalServiceError", "InternalServerException",
    "RequestTimeout", "RequestTimeoutException", "ServerException", "ServiceException", "ServiceUnavailable",
    "ServiceUnavailableException", "503", "500",
})  # fmt: skip
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
_UNKNOWN_KEY = frozenset({
    "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthFailure",
    "InvalidSignatureException", "IncompleteSignature", "MissingAuthenticationToken",
})  # fmt: skip
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized", "403"})
_ELSEWHERE = frozenset({"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"})
_LOG_IN = "log in again (`aws sso login`, with `--profile` where AWS_PROFILE names one), then repeat the command"


class AwsError(ShipwayError):
    """AWS refused a call for a reason of its own. `code` is the one that AWS gave."""

    def __init__(self, what: str, code: str, *, fix: str = "", state: str = "") -> None:
        super().__init__(what, fix=fix, state=state)
        self.code = code


class Interrupted(ShipwayError):
    """AWS throttled the call, was out of reach or failed inside: the same call may succeed later."""


class NotLoggedIn(ShipwayError):
    """There are no credentials, or they are expired or unknown."""


class AccessDenied(Refused):
    """The credentials are good, but their role may not do this. `code` as AWS gave it."""

    def __init__(self, what: str, code: str, *, fix: str = "", state: str = "") -> None:
        super().__init__(what, fix=fix, state=state)
        self.code = code


class Calls:
    """AWS in one region. Its errors are `AwsError`, `Interrupted`, `NotLoggedIn` and `AccessDenied`.

    Each call is tried `ATTEMPTS` times by botocore's adaptive mode, which slows down where AWS throttles; what is still
    interrupted then is tried again for `patience` seconds. `sleep` is for whoever polls, too. `client` makes the client of
    a service by its name; by default boto3's.
    """

    def __init__(
        self,
        region: str,
        *,
        patience: float = 0.0,
        sleep: Callable[[float], None] = time.sleep,
        client: Callable[[str], Any] | None = None,
    ) -> None:
        self.region = region
        self.sleep = sleep
        self._patience = patience
        self._make = client or _clients(region)
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()  # clients may be used by several threads at once, but not made by them

    def client(self, service: str) -> Any:
        """The service's client, made once. Prefer `call`, which translates errors."""
        with self._lock:
            if service not in self._clients:
                try:
                    self._clients[service] = self._make(service)
                except Exception as error:
                    raise explained(error, service, "", self.region) from error
            return self._clients[service]

    def call(self, service: str, operation: str, /, **request: Any) -> dict[str, Any]:
        """Carry one operation out, in boto3's names: `call("ecs", "update_service", cluster=…)`."""
        slept, pause = 0.0, _FIRST_PAUSE
        while True:
            try:
                return self._once(service, operation, request)
            except Interrupted:
                if slept >= self._patience:
                    raise
            self.sleep(pause)
            slept, pause = slept + pause, min(2 * pause, _LONGEST_PAUSE)

    def _once(self, service: str, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        client = self.client(service)
        try:
            answer: dict[str, Any] = getattr(client, operation)(**request)
        except Exception as error:
            raise explained(error, service, operation, self.region) from error
        return answer

    def pages(self, service: str, operation: str, key: str, /, **request: Any) -> Iterator[Any]:
        """Every item below `key`; a page is asked for only when the one before is used up."""
        client = self.client(service)
        try:
            for page in client.get_paginator(operation).paginate(**request):
                yield from page.get(key) or ()
        except GeneratorExit:
            raise
        except Exception as error:
            raise explained(error, service, operation, self.region) from error

    def check_account(self, wanted: str) -> str:
        """Refuse credentials of another account than the one that shipway.yaml names; the ARN that they belong to."""
        caller = self.call("sts", "get_caller_identity")
        if caller["Account"] != wanted:
            raise Refused(
                f"the credentials are for account {caller['Account']}, and shipway.yaml says aws.account: {wanted}",
                fix=f"use credentials of {wanted} (AWS_PROFILE), or correct aws.account",
                state="nothing changed",
            )
        return str(caller["Arn"])


def _clients(region: str) -> Callable[[str], Any]:
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise ShipwayError(
            f"the target aws needs boto3, which is not installed ({error})", fix="pip install 'shipway[aws]'"
        ) from error
    config = Config(
        region_name=region,
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retries={"mode": "adaptive", "total_max_attempts": ATTEMPTS},
        user_agent_extra="shipway",
    )
    sessions: list[Any] = []

    def make(service: str) -> Any:
        if not sessions:
            sessions.append(boto3.session.Session(region_name=region))
        return sessions[0].client(service, config=config)

    return make


def explained(error: Exception, service: str, operation: str, region: str) -> ShipwayError:
    """AWS's error as one of ours. Errors that are ours already, and mistakes of our own code, are given back as faults."""
    if isinstance(error, ShipwayError):
        return error
    from botocore import exceptions as botocore

    call = f"{service} {operation}".strip()
    if isinstance(error, botocore.ClientError):
        return _answered(error.response, call, region)
    no_credentials = (
        botocore.NoCredentialsError,
        botocore.PartialCredentialsError,
        botocore.CredentialRetrievalError,
        botocore.ProfileNotFound,
        botocore.SSOError,
        botocore.TokenRetrievalError,
    )
    if isinstance(error, no_credentials):
        return NotLoggedIn(
            f"no AWS credentials ({error})",
            fix="log in: `aws sso login` (once before that: `aws configure sso`), and set AWS_PROFILE to the profile",
            state="nothing changed",
        )
    if isinstance(error, botocore.EndpointConnectionError):
        return Interrupted(
            f"{call}: AWS can't be reached in {region} ({error})",
            fix="check the network, and that aws.region in shipway.yaml is a region of AWS",
        )
    if isinstance(error, botocore.HTTPClientError | botocore.ConnectionError):
        return Interrupted(f"{call}: no answer from AWS ({error})", fix="check the network, then repeat the command")
    if isinstance(error, botocore.BotoCoreError):
        return AwsError(f"{call}: {error}", type(error).__name__)
    raise error


def _answered(response: Mapping[str, Any], call: str, region: str) -> ShipwayError:
    code = str(response.get("Error", {}).get("Code", ""))
    text = str(response.get("Error", {}).get("Message", "")) or code
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _THROTTLED or status == 429:
        return Interrupted(f"{call}: AWS asks to slow down ({code}: {text})", fix="repeat the command in a minute")
    if code in _PASSING or status >= 500:
        return Interrupted(f"{call}: AWS failed ({code}: {text})", fix="repeat the command in a minute")
    if code in _EXPIRED:
        return NotLoggedIn(f"the AWS credentials have expired ({code})", fix=_LOG_IN)
    if code in _UNKNOWN_KEY:
        return NotLoggedIn(f"AWS does not know these credentials ({code}: {text})", fix=_LOG_IN)
    if code in _DENIED:
        return AccessDenied(
            f"{call}: not allowed ({text})",
            code,
            fix="take a role that may do it (infra/README.md lists them), or ask whoever holds one",
            state="nothing changed by this call",
        )
    if code in _ELSEWHERE:
        return AwsError(
            f"{call}: what it asks for is not in {region} ({text})",
            code,
            fix="correct aws.region in shipway.yaml, or AWS_REGION",
        )
    return AwsError(f"{call}: {text} ({code})", code)
