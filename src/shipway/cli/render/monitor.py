"""A look at a model's traffic, as lines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from shipway.cli.render.text import plain

_SIGNS = {"quiet": "✔", "drift": "✘", "hold": "…"}
_SHOWN = 12


def look_lines(view: dict[str, Any]) -> list[str]:
    """The verdict first, then what it rests on, then what to do next."""
    return [*_lines(view)]


def _lines(view: dict[str, Any]) -> Iterator[str]:
    seen, verdict, environment = view["seen"], view["verdict"], plain(view["environment"])
    if verdict is None:
        yield f"✔ baseline of {plain(view['version'])} in {environment}: {seen['rows']:,} rows"
    else:
        yield f"{_SIGNS[verdict['state']]} {verdict['state']}: {plain(verdict['reason'])}"
        if verdict["state"] == "hold" and view["alarm"]:
            yield f"  ALARM: {plain(view['alarm'])}"
        yield f"  {environment}, {plain(view['version'])}, {_moment(view['since'])} to {_moment(view['until'])}"
        yield f"  {seen['rows']:,} rows of {seen['lines']:,} captured requests"
    if seen["unreadable"]:
        kinds = ", ".join(f"{count} {plain(kind)}" for kind, count in sorted(seen["unreadable"].items()))
        yield f"  left out: {kinds}"
    yield from _quality(seen)
    if verdict is not None:
        yield from _violations("Causes", verdict["causes"])
        yield from _violations("Noted, triggers nothing", verdict["noted"])
    yield f"  Files: {plain(view['folder'])}"
    if verdict is not None:
        yield f"  Page with figures: shipway monitor report {environment} --html {environment}.html"
    if verdict is None:
        yield f"  Next: shipway monitor run {environment}"
    elif view["training"]:
        yield f"  A training was started: shipway run follow {plain(view['training'])}"
    elif verdict["state"] == "drift":
        if view["no_training"]:
            yield f"  No training was started: {plain(view['no_training'])}"
        yield f"  Next: shipway train, or accept it as normal: shipway monitor baseline {environment} --since 7d"
    elif verdict["state"] == "hold":
        yield f"  Next: shipway monitor run {environment} --since 7d, or shipway logs --env {environment} if there should be more"
    else:
        yield f"  Next: nothing to do; shipway monitor run {environment} looks again"


def _quality(seen: dict[str, Any]) -> Iterator[str]:
    found = seen["quality"] or {}
    figures = [
        f"{title} {found[name]:.3f}"
        for name, title in (("brier", "Brier"), ("auc", "AUC"), ("calibration_error", "calibration error"))
        if found.get(name) is not None
    ]
    if figures:
        share = seen["labelled"] / seen["rows"] if seen["rows"] else 0.0
        yield f"  {', '.join(figures)} by {seen['labelled']:,} labels ({share:.0%} of the rows)"


def _violations(title: str, violations: list[dict[str, Any]]) -> Iterator[str]:
    if violations:
        yield f"  {title}:"
    for one in violations[:_SHOWN]:
        yield f"    {plain(one['feature']) or 'the data'}  {plain(one['check'])}: {plain(one['description'])}"
    if len(violations) > _SHOWN:
        yield f"    and {len(violations) - _SHOWN} more"


def _moment(at: float | None) -> str:
    return "…" if at is None else f"{datetime.fromtimestamp(at).astimezone():%Y-%m-%d %H:%M}"
