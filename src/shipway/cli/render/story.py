"""A run's story while it happens: one line for each event, the stage it is at, and how it ended."""

from __future__ import annotations

from typing import Any

from shipway.cli.render.status import client_lines, rollout_line, serves
from shipway.cli.render.text import clock_time, duration, paragraph, plain
from shipway.cli.render.waiting import waiting_line

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
    """What a run does at this moment; a rollout tells its weight, or what its step waits for."""
    line = f"  … {plain(run['stage'])}"
    for environment in (status or {}).get("environments", []):
        rollout = environment["rollout"]
        if rollout and rollout["run"] == run["id"]:
            if waiting := waiting_line(environment, now):
                return f"  … {waiting}"
            line = f"  … {plain(environment['name'])}: {rollout_line(rollout)}"
    return f"{line}   {duration(max(0.0, now - run['created']))}"


def outcome(whole: dict[str, Any], status: dict[str, Any], now: float) -> list[str]:
    """How a run ended, or what it waits for: what serves where, and the next command.

    `whole` is a run with its rollouts, `status` what the environments serve now.
    """
    run: dict[str, Any] = whole["run"]
    id = plain(run["id"])
    if run["status"] == "waiting" and run["gate"]:
        until = clock_time(run["gate"]["expires"], now)
        answers = f'Approve: shipway approve {id} --why "…"   Reject: shipway reject {id} --why "…"'
        return [f"run {id} waits until {until}.  {answers}"]
    if run["live"]:
        return [f"run {id} goes on.  Look again: shipway run follow {id}"]
    environments = [e for e in status["environments"] if e["name"] in run["path"]]
    if run["status"] == "succeeded" and run["kind"] == "train":
        version = plain(run["model_version"])
        return [f"✔ registered {version}.  Look: shipway train show {id}   Next: shipway model approve {version}"]
    if run["status"] == "succeeded":
        undoable = {
            rollout["environment"] for rollout in whole["rollouts"] if rollout["previous"] and run["kind"] != "rollback"
        }
        served = [(serves(e) + (_undo(e["name"]) if e["name"] in undoable else ""), e) for e in environments]
        return [line for text, e in served for line in (text, *_warning(e))]
    first, *others = paragraph(f"run {id} {_reason(run)}", "  ")
    look = run["fix"] or f"shipway run show {id}"
    label = "Look" if look.startswith(("shipway logs", "shipway run show", "shipway train show")) else "Next"
    serving = "; ".join(serves(e) for e in environments)
    return [f"✘ {first}", *others, *([f"  {serving}"] if serving else []), f"  {label}: {plain(look)}"]


def _warning(environment: dict[str, Any]) -> list[str]:
    """Said loudly where clients fail, whatever came of the run: a first release has nobody to be compared with."""
    seen = environment["clients"]
    return [f"  {line}" for line in client_lines(environment)] if seen is not None and seen["failing"] else []


def _undo(environment: str) -> str:
    return f".  Undo: shipway rollback --env {plain(environment)}"


def _reason(run: dict[str, Any]) -> str:
    """`rolled back: …`, whether or not the reason already begins so."""
    status = plain(run["status"]).replace("_", " ")
    reason = run["reason"].removeprefix(status).lstrip(": ")
    return f"{status}: {reason}" if reason else status
