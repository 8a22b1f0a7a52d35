"""A SageMaker endpoint: `InvokeEndpoint` of SageMaker Runtime, over the same client as the model service.

Protocol: the API's reference (rest-json), and for what the service's own errors look like: a throttled call is a 400
that only its error type tells from a wrong one, and a container that took too long is a ModelError with status 0.
"""

from __future__ import annotations

from collections.abc import Mapping

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from pydantic_core import from_json

from backend_api.config.settings import Settings
from backend_api.logs import Logger
from backend_api.middleware import RequestContext
from backend_api.model_client.aws import Credentials, Runtime
from backend_api.model_client.route import ModelRequest, Passing, Route, Scored, Unreachable, UnusableAnswer, scored_in

# What the container answered, as on the other route: its own 500 is no passing fault, a lost container is.
_CONTAINER_AWAY = frozenset({502, 503, 504})


class SageMakerRoute(Route):
    """The endpoint that the settings name, in the account and region that AWS's own variables tell."""

    name = "sagemaker"

    def __init__(self, settings: Settings, runtime: Runtime, log: Logger) -> None:
        self.who = f"the SageMaker endpoint {settings.sagemaker_endpoint}"
        self._endpoint = settings.sagemaker_endpoint or ""
        self._runtime = runtime
        self._credentials = Credentials(runtime.session, log)
        super().__init__(settings, f"{runtime.url}/endpoints/{self._endpoint}/invocations", log)
        self._fixed = {"content-type": "application/json", "accept": "application/json"}
        if settings.sagemaker_variant:
            self._fixed["x-amzn-sagemaker-target-variant"] = settings.sagemaker_variant

    async def start(self) -> None:
        """Waits for the first credentials, within a bound."""
        await super().start()
        await self._credentials.start()

    async def close(self) -> None:
        """Ends the search for credentials too."""
        self._credentials.stop()
        await super().close()

    def _headers(self, request: ModelRequest, body: bytes, context: RequestContext) -> Mapping[str, str]:
        credentials = self._credentials.frozen
        if credentials is None:
            raise Unreachable(f"can't be asked: {self._credentials.fault}")
        signed = AWSRequest("POST", str(self._url), headers=self._fixed | request.headers(), data=body)
        SigV4Auth(credentials, self._runtime.signing_name, self._runtime.region).add_auth(signed)
        headers = dict(signed.headers.items())
        # Not signed: AWS strips what its API does not know; our own service, asked as an endpoint, keeps to the device.
        # A session id is no substitute: on AWS it belongs to stateful models, which open the session themselves.
        headers.update(context.headers())
        return headers

    def _read(self, status: int, headers: Mapping[str, str], body: bytes) -> Scored:
        if status == 200:
            return scored_in(body)
        # Such as "ValidationError:http://…/coral/com.amazonaws.sagemaker.runtime/".
        kind = headers.get("x-amzn-errortype", "").partition(":")[0].rpartition("#")[2] or "without an error type"
        if status == 424:
            raise _of_the_container(body)
        if status == 429 or status >= 500 or "Throttl" in kind:
            raise Passing(f"answered {status} ({kind})")
        if status >= 400:
            # The API's own refusal (no such endpoint, no permission, expired credentials) says nothing about the
            # request, and its text names accounts and roles.
            raise Unreachable(f"refused to be asked: {status} ({kind})", body[:300].decode(errors="replace"))
        raise UnusableAnswer(f"it is a {status}")

    async def state(self, timeout: float) -> dict[str, str]:
        """What came of the last request: SageMaker Runtime can't be asked how it is."""
        state = {"status": "configured", "endpoint": self._endpoint, "last": self.figures.last}
        if self._credentials.frozen is None:
            state |= {"status": "no credentials", "reason": self._credentials.fault}
        return state


def _of_the_container(body: bytes) -> Exception:
    """What a ModelError stands for: the container's answer."""
    try:
        error = from_json(body)
        status, message = error["OriginalStatusCode"], str(error.get("OriginalMessage"))
    except (ValueError, KeyError, TypeError):
        return UnusableAnswer(f"it is a 424 that is no ModelError: {body[:300].decode(errors='replace')}")
    if status == 0:
        return Unreachable("got no answer from its container in time")
    if status in _CONTAINER_AWAY:
        return Passing(f"has a container that answered {status}")
    return UnusableAnswer(f"it is a {status}: {message[:300]}")
