"""The OpenAPI document in this folder."""

from __future__ import annotations

import json
from pathlib import Path

from backend import Backend


def test_the_document_says_what_is_answered(backend: Backend) -> None:
    """openapi.json, which apps are held to, is the document that the service answers: make mobile-types writes it."""
    committed = json.loads((Path(__file__).parents[1] / "openapi.json").read_text())
    assert committed == backend.call("GET", "/api/openapi.json").json
