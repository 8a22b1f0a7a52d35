"""The OpenAPI document and a page that shows it."""

from __future__ import annotations

from functools import cache

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from backend_api.openapi import document

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Ontime backend</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="https://cdn.jsdelivr.net/npm/swagger-ui-dist@5/swagger-ui.css"></head>
<body><div id="ui"><p><a href="openapi.json">openapi.json</a></p></div>
<script src="https://cdn.jsdelivr.net/npm/swagger-ui-dist@5/swagger-ui-bundle.js"></script>
<script>SwaggerUIBundle({url: "openapi.json", dom_id: "#ui"})</script></body></html>"""


@cache
def _document() -> bytes:
    return to_json(document())


async def openapi(_request: Request) -> Response:
    """`GET /api/openapi.json`, built at the first call."""
    return Response(_document(), media_type="application/json")


async def docs(_request: Request) -> Response:
    """`GET /api/docs`."""
    return HTMLResponse(_PAGE)
