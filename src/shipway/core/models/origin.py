"""Where a model version comes from and who decided on it, by its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Origin:
    """Who made a version and when, and what its training recorded; empty where it does not say.

    `run` is the training, `commit` its code, `begin` and `until` the days that it learned from, `parent` the version that it was
    compared with, `gate` the verdict.
    """

    author: str = ""
    trained_at: str = ""
    run: str = ""
    commit: str = ""
    begin: str = ""
    until: str = ""
    parent: str = ""
    gate: str = ""


@dataclass(frozen=True, slots=True)
class DecidedOn:
    """A decision on a version: `at` is ISO 8601."""

    status: str
    by: str
    at: str
    why: str


def origin_of(metadata: Mapping[str, Any]) -> Origin:
    """What its metadata says."""
    lineage = _object(metadata.get("lineage"))
    data, gate = _object(lineage.get("data")), _object(lineage.get("gate"))
    return Origin(
        author=_text(metadata.get("author")),
        trained_at=_text(metadata.get("trained_at")),
        run=_text(lineage.get("run")),
        commit=_text(lineage.get("commit")),
        begin=_text(data.get("from")),
        until=_text(data.get("until")),
        parent=_text(lineage.get("parent")),
        gate=_text(gate.get("verdict")),
    )


def decided_by(metadata: Mapping[str, Any], at: float) -> DecidedOn | None:
    """The newest decision on it up to a moment (Unix time); None while it was pending."""
    now = metadata.get("approval")
    found = None
    for entry in metadata.get("approval_history") or [now]:
        if not isinstance(entry, Mapping) or not entry.get("by"):
            continue
        decision = DecidedOn(*(_text(entry.get(name)) for name in ("status", "by", "at", "why")))
        if _moment(decision.at) <= at:
            found = decision
    return found


def _moment(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
