"""Verbs that the desk over AWS does not answer yet."""

from __future__ import annotations

from typing import Any

from shipway.core.errors import Refused


class NotYet:
    """Refuses whatever is asked of it."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __getattr__(self, verb: str) -> Any:
        raise Refused(f"{self._what} on AWS: Shipway has no verb {verb} for it yet", state="nothing changed")
