"""Liveness and readiness: two questions, so that one slow dependency does not kill every task."""

from __future__ import annotations

import asyncio
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from backend_api.dependencies import model_client_of, store_of

_DATABASE_WAIT = 1.0
_MODEL_WAIT = 0.3

router = APIRouter()


class Alive(BaseModel):
    """The process works."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether to send clients here, and how everything behind this task is."""

    status: Literal["ready", "not ready"]
    database: dict[str, str]
    model_service: dict[str, str] | None = None
    sagemaker_endpoint: dict[str, str] | None = None


@router.get("/health")
@router.get("/api/health", name="api_health")
async def health() -> Alive:
    """Liveness: 200 while the process works, whatever its dependencies do."""
    return Alive()


@router.get(
    "/ready",
    response_model_exclude_none=True,
    responses={503: {"model": Readiness, "description": "The database can't be used"}},
)
async def ready(request: Request, response: Response) -> Readiness:
    """Readiness: 200 once the migrated database answers; the routes to the model are told but do not decide."""
    store, model = store_of(request), model_client_of(request)
    fault, routes = await asyncio.gather(store.check(_DATABASE_WAIT), model.states(_MODEL_WAIT))
    if fault is None:
        return Readiness(status="ready", database={"status": "ready"}, **routes)
    response.status_code = 503
    return Readiness(status="not ready", database={"status": "unreachable", "reason": fault}, **routes)
