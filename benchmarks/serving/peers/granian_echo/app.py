"""The limit: Granian's own interface, the body read, a constant answered."""

from __future__ import annotations

from typing import Any

ANSWER = b'{"model_version":"v1.0","predictions":[0.38197814579118056]}'
HEADERS = [("content-type", "application/json")]


async def app(_scope: Any, protocol: Any) -> None:
    """An RSGI application."""
    await protocol()
    protocol.response_bytes(200, HEADERS, ANSWER)
