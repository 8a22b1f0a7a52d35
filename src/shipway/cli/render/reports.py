"""A report as lines: the verdict, what failed, then facts and tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shipway.cli.render.text import brief, plain, table

MAX_ROWS = 60
"""Rows of a table that are shown; the page and --json have more."""
_SIGNS = {"good": "✔", "bad": "✘", "unsure": "…"}


def page_lines(page: dict[str, Any]) -> list[str]:
    """The whole report."""
    return [*_lines(page)]


def _lines(page: dict[str, Any]) -> Iterator[str]:
    yield f"{_SIGNS[page['state']]} {plain(page['title'])}: {plain(page['verdict'])}"
    for one in page["failed"]:
        yield f"  ✘ {plain(one)}"
    width = max(map(len, page["facts"]), default=0)
    for name, value in page["facts"].items():
        yield f"  {plain(name):{width}}  {plain(value)}"
    for section in page["sections"]:
        yield ""
        yield plain(section["title"])
        if section["text"]:
            yield f"  {plain(section['text'])}"
        for one in section["tables"]:
            yield from _table(one)


def _table(found: dict[str, Any]) -> Iterator[str]:
    """A row that failed has its mark before it."""
    marked = set(found["marked"])
    rows = [
        (f"{'✘' if place in marked else ' '} {_cell(row[0])}", *map(_cell, row[1:]))
        for place, row in enumerate(found["rows"][:MAX_ROWS])
    ]
    names = [plain(name) for name in found["header"]]
    yield from table((f"  {names[0]}", *names[1:]), rows)
    if len(found["rows"]) > MAX_ROWS:
        yield f"  … and {len(found['rows']) - MAX_ROWS:,} more"


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else brief(value)
