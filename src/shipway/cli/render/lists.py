"""Releases, model versions, log lines and the audit log as lines of text."""

from __future__ import annotations

import json
from typing import Any

from shipway.cli.render.text import clock_time, plain, short, table

_METRICS = 3


def release_table(releases: list[dict[str, Any]], now: float) -> list[str]:
    """One line for each release, the newest first."""
    rows = [
        (
            release["id"],
            short(release["commit"]),
            ", ".join(f"{name} {digest[:6]}" for name, digest in release["artifacts"].items()),
            release["model_version"] or "–",
            clock_time(release["created_at"], now),
            ", ".join(release["serves"]) or "–",
        )
        for release in releases
    ]
    return table(("RELEASE", "COMMIT", "ARTIFACTS", "MODEL", "MADE", "SERVES"), rows) or [
        "no release yet: shipway deploy"
    ]


def model_table(answer: dict[str, Any]) -> list[str]:
    """One line for each model version; the one that new releases take is marked."""
    rows = [
        (
            f"{'→' if model['version'] == answer['latest'] else ' '} {model['version']}",
            model["approval_status"],
            _metrics(model["metrics"]),
            model["trained_at"],
            model["author"],
            model["digest"][:6],
            ", ".join(model["serves"]) or "–",
        )
        for model in answer["models"]
    ]
    headers = ("  VERSION", "APPROVAL", "METRICS", "TRAINED", "AUTHOR", "DIGEST", "SERVES")
    lines = table(headers, rows)
    if not lines:
        return ["no model version yet: shipway model publish FOLDER"]
    return [
        *lines,
        f"→ latest: new releases take {plain(answer['latest'])}" if answer["latest"] else "none is latest yet",
    ]


def model_lines(metadata: dict[str, Any]) -> list[str]:
    """A version's metadata: what people ask for first, the feature schema last."""
    skipped = ("golden", "feature_schema", "name", "version")
    lines = [f"{plain(metadata.get('name', 'model'))} {plain(metadata.get('version', ''))}"]
    for key, value in metadata.items():
        if key not in skipped:
            lines += _entry(key, value)
    features = metadata.get("feature_schema", {}).get("features", [])
    rows = [
        (feature["name"], feature["type"], _allowed(feature), "yes" if feature.get("nullable") else "no")
        for feature in features
    ]
    return [*lines, "", *table(("FEATURE", "TYPE", "ALLOWED", "NULLABLE"), rows)] if rows else lines


def log_line(entry: dict[str, Any]) -> str:
    """`prod backend-api/prod-blue-1 r42 | the line`."""
    origin = f"{plain(entry['environment'])} {plain(entry['service'])}/{plain(entry['task'])} {plain(entry['release'])}"
    return f"{origin} | {plain(entry['line'])}"


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
            ", ".join(f"{key} {_short(value)}" for key, value in entry["detail"].items() if value),
        )
        for entry in entries
    ]
    return table(("#", "AT", "WHO", "WHAT", "WHERE", "WHY", "DETAIL"), rows) or ["nothing has been done yet"]


def _metrics(metrics: dict[str, float]) -> str:
    """The first few; `model show` has them all."""
    return ", ".join(f"{name} {value:.4g}" for name, value in list(metrics.items())[:_METRICS]) or "–"


def _entry(key: str, value: Any) -> list[str]:
    name = plain(key).replace("_", " ")
    if isinstance(value, dict):
        inside = {k: v for k, v in value.items() if v is not None}
        return [f"  {name}", *(f"    {plain(k)}: {_short(v)}" for k, v in inside.items())]
    return [f"  {name}: {_short(value)}"]


def _short(value: Any) -> str:
    text = plain(value if isinstance(value, str) else json.dumps(value))
    return text if len(text) <= 120 else f"{text[:119]}…"


def _allowed(feature: dict[str, Any]) -> str:
    if "values" in feature:
        values = feature["values"]
        return ", ".join(plain(value) for value in values[:8]) + (f", … ({len(values)})" if len(values) > 8 else "")
    low, high = feature.get("minimum"), feature.get("maximum")
    return (
        "any" if low is None and high is None else f"{'…' if low is None else low} to {'…' if high is None else high}"
    )
