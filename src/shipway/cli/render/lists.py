"""Releases, log lines and the audit log as lines of text."""

from __future__ import annotations

import json
from typing import Any

from shipway.cli.render.text import clock_time, plain, short, table


def release_table(releases: list[dict[str, Any]], now: float) -> list[str]:
    """One line for each release, the newest first; with bundles where there are any."""
    bundles = any(release.get("app_version") for release in releases)
    rows = [
        (
            release["id"],
            short(release["commit"]),
            ", ".join(f"{name} {digest[:6]}" for name, digest in release["artifacts"].items()),
            release["model_version"] or "–",
            *([release["app_version"] or "–"] if bundles else []),
            clock_time(release["created_at"], now),
            ", ".join(release["serves"]) or "–",
        )
        for release in releases
    ]
    headers = ("RELEASE", "COMMIT", "ARTIFACTS", "MODEL", *(["BUNDLE"] if bundles else []), "MADE", "SERVES")
    return table(headers, rows) or ["no release yet: shipway deploy"]


def audit_table(entries: list[dict[str, Any]], now: float) -> list[str]:
    """One line for each entry, the newest first."""
    rows = [
        (
            entry["number"],
            clock_time(entry["at"], now),
            entry["who"],
            entry["action"],
            entry["environment"] or "–",
            entry["why"] or "–",
            ", ".join(f"{key} {brief(value)}" for key, value in entry["detail"].items() if value),
        )
        for entry in entries
    ]
    return table(("#", "AT", "WHO", "WHAT", "WHERE", "WHY", "DETAIL"), rows) or ["nothing has been done yet"]


def brief(value: Any) -> str:
    """A value on one line, cut at 120 characters."""
    text = plain(value if isinstance(value, str) else json.dumps(value))
    return text if len(text) <= 120 else f"{text[:119]}…"
