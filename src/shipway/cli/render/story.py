"""A run's story while it happens: one line for each event, the stage it is at, and how it ended."""

from __future__ import annotations

from typing import Any

from shipway.cli.render.runs import title
from shipway.cli.render.status import rollout_line, serves
from shipway.cli.render.text import clock_time, duration, paragraph, plain

COLUMN = 66
_MARKS = {"start": "·", "done": "✔", "note": "·", "gate": "‖", "fail": "✘"}


def event_lines(event: dict[str, Any], heading: str | None) -> list[str]:
    """An event's lines: a mark, the text, and at a fixed column how long it took. The end has its own lines.

    `heading` is the environment's name when the event is the first one of that environment, else None.
    """
    lines = [plain(heading)] if heading else []
    if event["kind"] == "end":
        return lines
    first, *others = paragraph(event["text"], "    ")
    line = f"  {_MARKS.get(event['kind'], '·')} {first}"
    if event["seconds"] is not None:
        line = f"{line.ljust(COLUMN)}  {duration(event['seconds']):>6}"
    return [*lines, line, *others]


def progress_line(run: dict[str, Any], status: dict[str, Any] | None, now: float) -> str:
    """What a run does at this moment; a rollout tells its weight."""
    line = f"  … {plain(run['stage'])}"
    for environment in (status or {}).get("environments", []):
        rollout = environment["rollout"]
        if rollout and rollout["run"] == run["id"]:
            line = f"  … {plain(environment['name'])}: {rollout_line(rollout)}"
    return f"{line}   {duration(max(0.0, now - run['created']))}"


def outcome(run: dict[str, Any], status: dict[str, Any] | None, now: float) -> list[str]:
    """How a run ended, or what it waits for: what serves where, and the next command."""
    serving = _serving(run, status)
    if run["status"] == "waiting" and run["gate"]:
        return [*(f"  {line}." for line in serving if line), *_gate(run, now)]
    if run["live"]:
        return [f"run {plain(run['id'])} goes on.  Look: shipway run follow {plain(run['id'])}"]
    if run["status"] == "succeeded":
        undo = [
            f"{line}.  Undo: shipway rollback --env {name}" for line, name in zip(serving, run["path"], strict=False)
        ]
        return undo or [f"✔ {title(run)}: done"]
    reason = plain_reason(run)
    first, *others = paragraph(f"run {run['id']} {reason}", "  ")
    lines = [f"✘ {first}", *others]
    if serving:
        lines.append(f"  {'; '.join(serving)}.")
    lines.append(f"  Look: {plain(run['fix'] or 'shipway run show ' + run['id'])}")
    return lines


def plain_reason(run: dict[str, Any]) -> str:
    """`rolled back: …`, whether or not the reason already begins so."""
    status = run["status"].replace("_", " ")
    reason = run["reason"].removeprefix(f"{status}: ").removeprefix(status).strip()
    return f"{status}: {reason}" if reason else status


def _serving(run: dict[str, Any], status: dict[str, Any] | None) -> list[str]:
    environments = {environment["name"]: environment for environment in (status or {}).get("environments", [])}
    ended_well = run["live"] or run["status"] == "succeeded"
    names = run["done"] if ended_well else run["path"]
    return [serves(environments[name]) for name in names if name in environments]


def _gate(run: dict[str, Any], now: float) -> list[str]:
    gate, id = run["gate"], plain(run["id"])
    roles = " or ".join(plain(role) for role in gate["roles"])
    until = clock_time(gate["expires"], now)
    return [
        f"‖ run {id} waits for approval to {plain(gate['environment'])} by {roles}, until {until}",
        f'  Approve: shipway approve {id} --why "…"   Reject: shipway reject {id} --why "…"',
    ]
