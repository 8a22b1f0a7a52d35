"""How the routes to the model do: for operators, and not below `/api`, so not public."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from backend_api.dependencies import model_client_of

router = APIRouter()


@router.get("/model-routes", response_description="Figures of this task since its start")
async def model_routes(request: Request) -> dict[str, Any]:
    """What each route to the model was asked, how it did and whether it is left alone; not public.

    With two routes each has a `breaker` (closed, open, half_open), and comparing them its counts.
    """
    return model_client_of(request).figures()
