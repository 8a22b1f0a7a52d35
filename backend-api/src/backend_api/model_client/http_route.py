"""The model service over HTTP."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp
from pydantic_core import from_json
from yarl import URL

from backend_api.config.settings import Settings
from backend_api.logs import Logger
from backend_api.middleware import RequestContext
from backend_api.model_client.route import ModelRequest, Passing, Route, Scored, UnusableAnswer, scored_in

_RETRIED = frozenset({502, 503, 504})


class HttpRoute(Route):
    """`POST /predict` of the service at `url`."""

    name = "http"
    who = "the model service"

    def __init__(self, settings: Settings, url: str, log: Logger) -> None:
        super().__init__(settings, f"{url}/predict", log)
        self._ready = URL(f"{url}/ready", encoded=True)

    def _headers(self, request: ModelRequest, body: bytes, context: RequestContext) -> Mapping[str, str]:
        return {"content-type": "application/json", **request.headers(), **context.headers()}

    def _read(self, status: int, headers: Mapping[str, str], body: bytes) -> Scored:
        if status == 200:
            return scored_in(body)
        if status in _RETRIED:
            raise Passing(f"answered {status}")
        raise UnusableAnswer(f"it is a {status}: {body[:300].decode(errors='replace')}")

    async def state(self, timeout: float) -> dict[str, str]:
        """What the service says of itself."""
        try:
            status, _, body = await self._ask("GET", self._ready, {}, None, timeout)
            answer = from_json(body)
        except (aiohttp.ClientError, TimeoutError, UnusableAnswer, ValueError) as error:
            return {"status": "unreachable", "reason": type(error).__name__}
        if status != 200 or not isinstance(answer, dict):
            return {"status": "not ready", "reason": f"answered {status}"}
        return {"status": "ready", "model_version": str(answer.get("model_version", ""))}
