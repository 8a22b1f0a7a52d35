"""How the routes to the model do: for operators, and not below `/api`, so not public."""

from __future__ import annotations

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from backend_api.model_client.client import ModelClient


async def model_routes(request: Request) -> Response:
    """`GET /model-routes`, of this task since its start."""
    model: ModelClient = request.app.state.model
    return Response(to_json(model.figures()), media_type="application/json")
