"""What a command asks: a verb of the desk by its path, with a JSON object as the answer, whoever carries it."""

from __future__ import annotations

from typing import Any, Protocol

from shipway.core.errors import ShipwayError

CALL_TIMEOUT = 60.0


class NotRunning(ShipwayError):
    """No daemon listens here."""

    def __init__(self) -> None:
        super().__init__("Shipway is not running here. Start it: shipway up --detach")


class Lost(ShipwayError):
    """The daemon went away in the middle of a call; whether it was carried out is not known."""


class Unreachable(Lost):
    """The daemon's process is there, and nobody can talk to it."""


class Client(Protocol):
    """Carries a verb to the desk and its answer back. Raises ShipwayError."""

    def get(self, *segments: str, timeout: float = CALL_TIMEOUT, **query: str | int | float | None) -> dict[str, Any]:
        """GET /v1/segments…?query, where None leaves a word of the query out."""

    def post(self, *segments: str, timeout: float = CALL_TIMEOUT, **body: Any) -> dict[str, Any]:
        """POST the body as a JSON object to /v1/segments…."""
