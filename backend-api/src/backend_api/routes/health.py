"""Liveness and readiness: two questions, so that one slow dependency does not kill every task."""

from __future__ import annotations

import asyncio

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from backend_api.model_client.client import ModelClient
from backend_api.storage.store import Store

_DATABASE_WAIT = 1.0
_MODEL_WAIT = 0.3
_ALIVE = b'{"status":"ok"}'


async def health(_request: Request) -> Response:
    """200 while the process works, whatever its dependencies do."""
    return Response(_ALIVE, media_type="application/json")


async def ready(request: Request) -> Response:
    """200 once the migrated database answers; the state of the routes to the model is told but does not decide."""
    store: Store = request.app.state.store
    model: ModelClient = request.app.state.model
    fault, routes = await asyncio.gather(store.check(_DATABASE_WAIT), model.states(_MODEL_WAIT))
    body = {
        "status": "ready" if fault is None else "not ready",
        "database": {"status": "ready"} if fault is None else {"status": "unreachable", "reason": fault},
        **routes,
    }
    return Response(to_json(body), 200 if fault is None else 503, media_type="application/json")
