"""A model's card, of a version's metadata.json: what it is, where it comes from, how good it was, who approved it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from model_monitoring.reports import bias, evaluation
from model_monitoring.reports.frame import Cell, Page, Section, State, Table

_STATES: Mapping[str, State] = {"approved": "good", "rejected": "bad"}


def page(metadata: Mapping[str, Any], known: Mapping[str, Any] | None = None) -> Page:
    """The version's page. `known` is what the platform says beside its metadata; None where nobody was asked.

    Where it serves (`serves`, `served`), whether new releases take it (`latest`), its `probations`, and what the
    `training` here that made it found, None where there is none.
    """
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
        **({} if known is None else _use(known)),
    }
    return Page(
        title=f"Model card: {metadata.get('version', 'not published')}",
        state=_STATES.get(status.lower(), "unsure"),
        verdict=f"{status.lower()}{by}{why}",
        facts={name: str(value) for name, value in facts.items() if value not in (None, "")},
        sections=[*_sections(metadata, known)],
    )


def _use(known: Mapping[str, Any]) -> dict[str, str]:
    return {
        "serves": ", ".join(known["serves"]) or "nowhere",
        "new releases take it": "yes" if known["latest"] else "no",
    }


def _sections(metadata: Mapping[str, Any], known: Mapping[str, Any] | None) -> Iterator[Section]:
    if metadata.get("metrics"):
        rows = [*_flat(metadata["metrics"])]
        yield Section("How good it was on held-out rows", tables=[Table(("what", "value"), rows)])
    if metadata.get("lineage"):
        # as they are written: a seed or a year is no amount
        rows = [(name, None if value is None else str(value)) for name, value in _flat(metadata["lineage"])]
        yield Section("Where it comes from", tables=[Table(("what", "value"), rows)])
    elif known is not None:
        text = "No training here made it: it was published, and its metadata names neither code nor data."
        yield Section("Where it comes from", text)
    if known is not None:
        yield from _known(known)
    history = metadata.get("approval_history") or ()
    if history:
        listed = [tuple(one.get(name) for name in ("status", "by", "at", "why")) for one in history]
        yield Section("Decisions", tables=[Table(("status", "by", "at", "why"), listed)])
    features: Sequence[Mapping[str, Any]] = metadata.get("feature_schema", {}).get("features", ())
    listed = [
        (one["name"], one["type"], "yes" if one.get("nullable") else "no", one.get("description")) for one in features
    ]
    yield Section("What it is asked", tables=[Table(("feature", "type", "may be missing", "meaning"), listed)])


def _known(known: Mapping[str, Any]) -> Iterator[Section]:
    """What its training found, and where it was in use."""
    told = known["training"]
    if told is not None:
        if told["evaluation"]:
            yield from evaluation.sections(told["evaluation"])
        if told["analysis"]:
            groups, values = bias.by_group(told["analysis"])
            rows = [(metric, *(found.get(group) for group in groups)) for metric, found in values.items()]
            text = str(told["analysis"].get("note", ""))
            yield Section("Bias between groups", text, [Table(("metric", *groups), rows)])
    if known["served"]:
        stays = [
            (one["environment"], one["release"], _moment(one["since"]), _moment(one["until"]), one["by"])
            for one in known["served"]
        ]
        yield Section("Where it served", tables=[Table(("environment", "release", "from", "until", "by"), stays)])
    if known["probations"]:
        trials = [
            (one["environment"], one["version"], one["before"], _moment(one["since"]), one["reason"])
            for one in known["probations"]
        ]
        header = ("environment", "promoted", "the one before", "from", "what was said")
        yield Section("On probation", tables=[Table(header, trials)])


def _moment(at: float | None) -> str:
    return "now" if at is None else f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def _flat(found: Any, name: str = "") -> Iterator[Sequence[Cell]]:
    """The document's leaves, each with its way from the top."""
    if isinstance(found, Mapping):
        for key, value in found.items():
            yield from _flat(value, f"{name}.{key}" if name else str(key))
    elif isinstance(found, list):
        yield name, ", ".join(map(str, found))
    else:
        yield name, found if isinstance(found, int | float | str) else None
