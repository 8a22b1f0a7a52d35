"""Puts the backend together: the one place that builds clients, and the list of its endpoints."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from backend_api import logs
from backend_api.config.settings import Settings
from backend_api.errors import ApiError
from backend_api.features import Reference
from backend_api.model_client.client import ModelClient
from backend_api.request_context import RequestContextMiddleware, context_of
from backend_api.routes import docs, health, model_routes, predict
from backend_api.storage.database import open_database
from backend_api.storage.store import Store, stop_writer

# Looked through in their order: what is asked most comes first.
ROUTES = [
    Route("/api/predict", predict.predict, methods=["POST"]),
    Route("/health", health.health),
    Route("/api/health", health.health),
    Route("/ready", health.ready),
    Route("/model-routes", model_routes.model_routes),
    Route("/api/predictions/{id}", predict.prediction),
    Route("/api/openapi.json", docs.openapi),
    Route("/api/docs", docs.docs),
]


def create_app(settings: Settings | None = None, write: logs.WriteLine | None = None) -> Starlette:
    """The ASGI application; without arguments it reads the environment and logs to standard output.

    Raises WrongSetting.
    """
    settings = settings or Settings()
    write = write or logs.line_writer(settings)
    reference = Reference.load(settings.reference_file)
    model = ModelClient(settings, write)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        database = open_database(settings)
        await model.start()
        store = Store(database, settings)
        writer = asyncio.create_task(store.run())
        app.state.store = store
        app.state.model = model
        app.state.predictor = predict.Predictor(settings, reference, model, store)
        try:
            yield
        finally:
            await stop_writer(writer)
            await model.close()
            await database.close()

    middleware = [Middleware(RequestContextMiddleware, write=write, body_limit=settings.body_limit)]
    if settings.cors_origins:
        middleware.insert(0, _cors(settings))
    return Starlette(
        routes=ROUTES,
        middleware=middleware,
        exception_handlers={ApiError: _api_error, HTTPException: _http_error},
        lifespan=lifespan,
    )


def _cors(settings: Settings) -> Middleware:
    return Middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=["GET", "POST"],
        allow_headers=["content-type", "idempotency-key", "traceparent", "tracestate", "x-request-id", "x-device-id"],
        expose_headers=["x-request-id", "retry-after", "idempotent-replayed"],
        max_age=3600,
    )


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # Starlette's handlers are typed for any exception
    context = context_of(request)
    context.notes["error"] = error.code
    if error.status >= 500:
        context.notes["message"] = error.message
    return error.response(context.request_id)


async def _http_error(request: Request, error: Exception) -> Response:
    """404 and 405 of the router, in the common shape."""
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    endpoints = ", ".join(f"{'/'.join(sorted((r.methods or set()) - {'HEAD'}))} {r.path}" for r in ROUTES)
    message = f"{request.method} {request.url.path[:200]}: {error.detail}; there are {endpoints}"
    fault = ApiError(error.status_code, code, message, headers=error.headers)
    return fault.response(context_of(request).request_id)
