"""A model's card, of a version's metadata.json: what it is, where it comes from, how good it was, who approved it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from model_monitoring.reports.frame import Cell, Page, Section, State, Table

_STATES: Mapping[str, State] = {"approved": "good", "rejected": "bad"}


def page(metadata: Mapping[str, Any]) -> Page:
    """The version's page."""
    approval = metadata.get("approval") or {}
    status = str(approval.get("status", "never asked about"))
    by = f" by {approval['by']}" if approval.get("by") else ""
    why = f": {approval['why']}" if approval.get("why") else ""
    output = metadata.get("feature_schema", {}).get("output", {})
    facts = {
        "model": metadata.get("model_file"),
        "format": metadata.get("model_format"),
        "trained": metadata.get("trained_at"),
        "by": metadata.get("author"),
        "answers": " – ".join(str(output[name]) for name in ("name", "description") if output.get(name)),
        "threshold": output.get("threshold"),
    }
    return Page(
        title=f"Model card: {metadata.get('version', 'not published')}",
        state=_STATES.get(status.lower(), "unsure"),
        verdict=f"{status.lower()}{by}{why}",
        facts={name: str(value) for name, value in facts.items() if value not in (None, "")},
        sections=[*_sections(metadata)],
    )


def _sections(metadata: Mapping[str, Any]) -> Iterator[Section]:
    for name, title in (("metrics", "How good it was on held-out rows"), ("lineage", "Where it comes from")):
        if metadata.get(name):
            yield Section(title, tables=[Table(("what", "value"), [*_flat(metadata[name])])])
    history = metadata.get("approval_history") or ()
    if history:
        listed = [tuple(one.get(name) for name in ("status", "by", "at", "why")) for one in history]
        yield Section("Decisions", tables=[Table(("status", "by", "at", "why"), listed)])
    features: Sequence[Mapping[str, Any]] = metadata.get("feature_schema", {}).get("features", ())
    listed = [
        (one["name"], one["type"], "yes" if one.get("nullable") else "no", one.get("description")) for one in features
    ]
    yield Section("What it is asked", tables=[Table(("feature", "type", "may be missing", "meaning"), listed)])


def _flat(found: Any, name: str = "") -> Iterator[Sequence[Cell]]:
    """The document's leaves, each with its way from the top."""
    if isinstance(found, Mapping):
        for key, value in found.items():
            yield from _flat(value, f"{name}.{key}" if name else str(key))
    elif isinstance(found, list):
        yield name, ", ".join(map(str, found))
    else:
        yield name, found if isinstance(found, int | float | str) else None
