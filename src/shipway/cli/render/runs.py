"""Runs: their list, and one of them in full."""

from __future__ import annotations

from typing import Any

from shipway.cli.render.text import clock_time, duration, paragraph, plain, short, table

MARKS = {"running": "·", "waiting": "‖", "succeeded": "✔"}


def title(run: dict[str, Any]) -> str:
    """`run 12: abc1234 "subject" → dev → prod`."""
    path = " → ".join(run["path"])
    if run["kind"] == "deploy":
        return f'run {plain(run["id"])}: {short(run["commit"])} "{plain(run["subject"])}" → {path}'
    what = plain(run["subject"]) or run["kind"]
    if run["kind"] == "train":
        return f"run {plain(run['id'])}: {what}"
    return f"run {plain(run['id'])}: {what} in {', '.join(run['path'])}"


def run_table(runs: list[dict[str, Any]], now: float) -> list[str]:
    """One line for each run, the newest first; a sentence when there is none."""
    rows = [
        (
            f"{MARKS.get(run['status'], '✘')} {run['id']}",
            run["kind"],
            _what(run),
            " → ".join(run["path"]),
            doing(run),
            run["by"],
            f"{duration(max(0.0, now - run['created']))} ago",
        )
        for run in runs
    ]
    return table(("  RUN", "KIND", "WHAT", "PATH", "STATUS", "BY", "STARTED"), rows) or ["no run yet: shipway deploy"]


def run_details(run: dict[str, Any], rollouts: list[dict[str, Any]], now: float) -> list[str]:
    """What is known of a run beside its events."""
    facts = [
        ("status", doing(run)),
        ("by", run["by"]),
        ("since", clock_time(run["created"], now)),
        ("branch", run["branch"]),
        ("release", run["release"]),
        ("model", run["model_version"]),
        ("passed", ", ".join(run["done"])),
        ("why", run["why"]),
        ("retry of", run["retry_of"] and f"run {run['retry_of']}"),
        *(("note", note) for note in run["notes"]),
    ]
    if run["gate"]:
        facts.append(
            ("waits for", f"{' or '.join(run['gate']['roles'])}, until {clock_time(run['gate']['expires'], now)}")
        )
    if run["ended"]:
        facts.append(("ended", f"{clock_time(run['ended'], now)}, after {duration(run['ended'] - run['created'])}"))
    lines = [title(run), *(f"  {name:9}  {plain(value)}" for name, value in facts if value)]
    lines += [f"  rollout    {plain(rollout['id'])}: {_phase(rollout)}" for rollout in rollouts]
    if run["reason"]:
        first, *others = paragraph(run["reason"], " " * 13)
        lines += [f"  reason     {first}", *others]
    if run["fix"]:
        lines.append(f"  next       {plain(run['fix'])}")
    return lines


def doing(run: dict[str, Any]) -> str:
    """The status in words, with the stage while the run lives."""
    status = plain(run["status"]).replace("_", " ")
    return f"{status}: {plain(run['stage'])}" if run["live"] else status


def _phase(rollout: dict[str, Any]) -> str:
    """The phase in words; a first release that did not come has nothing to go back to."""
    if rollout["phase"] == "rolled_back" and rollout["previous"] is None:
        return "not released"
    return plain(rollout["phase"]).replace("_", " ")


def _what(run: dict[str, Any]) -> str:
    if run["kind"] != "deploy":
        return plain(run["subject"])
    subject = plain(run["subject"])
    return f'{short(run["commit"])} "{subject if len(subject) <= 40 else subject[:39] + "…"}"'
