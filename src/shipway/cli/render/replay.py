"""What a replay came to, as lines: a row for each month."""

from __future__ import annotations

from typing import Any

from shipway.cli.render.text import plain, table

_HEADING = (
    "  MONTH",
    "REQUESTS",
    "FAILED",
    "OUTCOMES",
    "AUC",
    "BRIER",
    "PREDICTED",
    "LATE",
    "SERVING",
    "MONITOR",
    "GATE",
    "VERSION",
)


def replay_lines(calendar: dict[str, Any]) -> list[str]:
    """The months, and the sums."""
    rows = [
        (
            f"{'✘' if month['failed'] else '✔'} {plain(month['month'])}",
            f"{month['requests']:,}",
            f"{month['failed']:,}",
            f"{month['outcomes']:,}",
            _figure(month["auc"]),
            _figure(month["brier"]),
            _figure(month["predicted"]),
            _figure(month["positive"]),
            plain(month["serving"] or "–"),
            plain(month["verdict"] or "–"),
            plain(month["decision"] or "–"),
            _version(month),
        )
        for month in calendar["months"]
    ]
    sums = (
        f"{calendar['requests']:,} requests, {calendar['failed']:,} failed, {calendar['outcomes']:,} outcomes, "
        f"{calendar['records']:,} feature records"
    )
    return [*table(_HEADING, rows), f"  {sums}"]


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _version(month: dict[str, Any]) -> str:
    if not month["version"]:
        return "–"
    how = {None: "registered", True: "promoted", False: "not promoted"}[month["promoted"]]
    return f"{plain(month['version'])} {how}"
