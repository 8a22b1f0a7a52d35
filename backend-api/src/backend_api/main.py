"""Puts the backend together: the one place that builds clients, and the list of its routers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from backend_api.config.settings import Settings
from backend_api.errors import ApiError, from_validation, not_json
from backend_api.features import Reference
from backend_api.labels.bucket import open_bucket
from backend_api.labels.writer import LabelWriter
from backend_api.live import LiveFeatures
from backend_api.logs import Logger, task_logger
from backend_api.middleware import RequestContextMiddleware, context_of
from backend_api.model_client.client import ModelClient
from backend_api.outcomes import Outcomes
from backend_api.predictor import Predictor
from backend_api.routes import features, flights, health, model_routes, outcomes, predictions
from backend_api.storage.database import open_database
from backend_api.storage.group_commit import GroupCommit, stop_writer
from backend_api.storage.outcomes import OutcomeStore
from backend_api.storage.store import Store

# Looked through in their order: what is asked most comes first.
ROUTERS = [predictions.router, outcomes.router, flights.router, health.router, model_routes.router, features.router]

_LAST_LABELS = 5.0
"""Seconds at the end of a task, in which it writes the labels that it took last."""


def create_app(settings: Settings | None = None, log: Logger | None = None) -> FastAPI:
    """The ASGI application; without arguments it reads the environment and logs to standard output.

    Raises WrongSetting.
    """
    settings = settings or Settings()
    log = log or task_logger(settings)
    reference = Reference.load(settings.reference_file)
    model = ModelClient(settings, log)
    live = LiveFeatures(settings.features, settings.features_deadline)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database = open_database(settings)
        await model.start()
        group_commit = GroupCommit(database, settings)
        writer = asyncio.create_task(group_commit.run())
        store = Store(database, group_commit, settings)
        outcome_store = OutcomeStore(group_commit, database.dialect)
        labels = _label_writer(settings, outcome_store, log)
        labelling = None if labels is None else asyncio.create_task(labels.run())
        app.state.store = store
        app.state.model = model
        app.state.live = live
        app.state.predictor = Predictor(settings, reference, model, store, live)
        app.state.outcomes = Outcomes(outcome_store, labels, settings.outcome_sources)
        try:
            yield
        finally:
            if labels is not None and labelling is not None:
                await stop_writer(labelling)
                await labels.close(_LAST_LABELS)
            await stop_writer(writer)
            live.close()
            await model.close()
            await database.close()

    middleware = [Middleware(RequestContextMiddleware, settings=settings, log=log)]
    if settings.cors_origins:
        middleware.insert(0, _cors(settings))
    app = FastAPI(
        title="Ontime backend",
        version="1",
        description="Will my flight be late?",
        openapi_url="/api/openapi.json",
        docs_url="/api/docs",
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        generate_unique_id_function=lambda route: route.name,
        lifespan=lifespan,
        middleware=middleware,
        exception_handlers={
            ApiError: _api_error,
            RequestValidationError: _validation_error,
            HTTPException: _http_error,
        },
    )
    for router in ROUTERS:
        app.include_router(router)
    return app


def _label_writer(settings: Settings, store: OutcomeStore, log: Logger) -> LabelWriter | None:
    if settings.labels is None:
        return None
    return LabelWriter(store, open_bucket(settings.labels), settings.labels_endpoint, log)


def _cors(settings: Settings) -> Middleware:
    return Middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=["GET", "POST"],
        allow_headers=["content-type", "idempotency-key", "traceparent", "tracestate", "x-request-id", "x-device-id"],
        expose_headers=["x-request-id", "retry-after", "idempotent-replayed"],
        max_age=3600,
    )


async def _api_error(request: Request, error: ApiError) -> Response:
    context = context_of(request)
    context.notes["error"] = error.fault.code
    if error.status_code >= 500:
        context.notes["message"] = error.fault.message
    return error.response(context.request_id)


async def _validation_error(request: Request, error: RequestValidationError) -> Response:
    return await _api_error(request, from_validation(error))


async def _http_error(request: Request, error: HTTPException) -> Response:
    """What FastAPI itself refuses, in the common shape: an unknown path or method, a body that it can't decode."""
    if error.status_code == 400:
        return await _api_error(request, not_json(error.detail))
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    paths = request.app.openapi()["paths"].items()
    endpoints = ", ".join(f"{'/'.join(methods).upper()} {path}" for path, methods in paths)
    message = f"{request.method} {request.url.path[:200]}: {error.detail}; there are {endpoints}"
    fault = ApiError(error.status_code, code, message, headers=error.headers)
    return fault.response(context_of(request).request_id)
