"""The model service over HTTP."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic_core import from_json

from backend_api.config.settings import Settings
from backend_api.http_pool import BadAnswer, HttpPool
from backend_api.logs import WriteLine
from backend_api.model.route import Nonsense, Passing, Route, Scored, scored_in
from backend_api.request_context import RequestContext

_RETRIED = frozenset({502, 503, 504})


class HttpRoute(Route):
    """`POST /predict` of the service at `url`."""

    name = "http"
    who = "the model service"

    def __init__(self, settings: Settings, url: str, write: WriteLine) -> None:
        pool = HttpPool(
            url,
            connect_timeout=settings.model_connect_timeout,
            idle_timeout=settings.model_idle_timeout,
            connections=settings.model_connections,
        )
        super().__init__(settings, pool, "/predict", write)

    def _headers(self, body: bytes, context: RequestContext) -> Mapping[str, str]:
        return {"content-type": "application/json", **context.headers()}

    def _read(self, status: int, body: bytes, noted: bytes) -> Scored:
        if status == 200:
            return scored_in(body)
        if status in _RETRIED:
            raise Passing(f"answered {status}")
        raise Nonsense(f"it is a {status}: {body[:300].decode(errors='replace')}")

    async def state(self, timeout: float) -> dict[str, str]:
        """What the service says of itself."""
        try:
            status, body, _ = await self._pool.request("GET", "/ready", {}, b"", timeout)
            answer = from_json(body)
        except (OSError, TimeoutError, BadAnswer, ValueError) as error:
            return {"status": "unreachable", "reason": type(error).__name__}
        if status != 200 or not isinstance(answer, dict):
            return {"status": "not ready", "reason": f"answered {status}"}
        return {"status": "ready", "model_version": str(answer.get("model_version", ""))}
