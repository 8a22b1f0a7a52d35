"""A promoted model on probation: in the status, and in what is known of a version."""

from __future__ import annotations

from typing import Any

from shipway.cli.render.text import clock_time, plain, table


def probation_lines(trial: dict[str, Any], now: float) -> list[str]:
    """Its lines in the status: what was found so far and how long it may last; or that the model was taken back."""
    version, before = plain(trial["version"]), plain(trial["before"])
    if trial["ended"] is not None:
        at = clock_time(trial["ended"], now)
        return [
            f"✘ model {version} was taken back at {at}: {plain(trial['reason'])}",
            f"    {before} serves again.  All of it: shipway model show {version}",
        ]
    since, until = clock_time(trial["since"], now), clock_time(trial["until"], now)
    lines = [
        f"· model {version} on probation since {since}, until {until} at most; {before} is its shadow",
        f"    {_found(trial)}   End it: shipway model shadow --off --env {plain(trial['environment'])}",
    ]
    return [*lines, f"    ✘ {plain(trial['trouble'])}"] if trial["trouble"] else lines


def probation_table(trials: list[dict[str, Any]], now: float) -> list[str]:
    """Every probation that a version had a part in, oldest first."""
    rows = [
        (
            trial["environment"],
            f"{trial['version']} after {trial['before']}",
            clock_time(trial["since"], now),
            clock_time(trial["ended"], now) if trial["ended"] is not None else "now",
            trial["outcome"] or "goes on",
            trial["reason"] or _found(trial),
        )
        for trial in sorted(trials, key=lambda trial: float(trial["since"]))
    ]
    return table(("PROBATION IN", "OF", "FROM", "UNTIL", "OUTCOME", "WHY"), rows)


def _found(trial: dict[str, Any]) -> str:
    return plain(trial["verdict"]["reason"]) if trial["verdict"] else "no label was looked at yet"
