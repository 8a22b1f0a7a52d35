"""The frame of every report: a verdict, then sections of facts, tables and figures; rendered to one HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import jinja2

State = Literal["good", "bad", "unsure"]
MAX_ROWS = 200
"""Rows of a table that are shown; the others are counted."""
MAX_CELL, MAX_LINE, MAX_FAILED = 120, 1000, 50
"""Characters of a cell, characters of what stands above the sections, failed checks that are listed there."""
MAX_BYTES = 1_000_000
"""Of a page. Sections that have no place in it are left out, the last ones first."""
_TEMPLATES = Path(__file__).parent / "templates"

Cell = str | float | int | None


@dataclass(frozen=True)
class Table:
    """Rows under a header. A row whose number stands in `marked` is one that failed."""

    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    marked: frozenset[int] = frozenset()

    @property
    def shown(self) -> list[tuple[bool, list[str]]]:
        """The first rows as texts, and whether each is marked."""
        return [(place in self.marked, [told(cell) for cell in row]) for place, row in enumerate(self.rows[:MAX_ROWS])]

    @property
    def heading(self) -> list[str]:
        """The header as texts."""
        return [told(name) for name in self.header]

    @property
    def hidden(self) -> int:
        """How many rows are not shown."""
        return max(0, len(self.rows) - MAX_ROWS)


@dataclass(frozen=True)
class Figure:
    """An SVG with what it shows in words."""

    caption: str
    svg: str


@dataclass(frozen=True)
class Section:
    """A part of a page: what it says, then tables, then figures."""

    title: str
    text: str = ""
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()


@dataclass(frozen=True)
class Page:
    """A report. `verdict` is the first thing that one reads, `failed` the checks behind it, `facts` what it is of."""

    title: str
    state: State
    verdict: str
    facts: Mapping[str, str]
    failed: Sequence[str] = ()
    sections: Sequence[Section] = field(default_factory=tuple)


def render(page: Page) -> str:
    """The page as HTML of at most `MAX_BYTES`. Every text in it is escaped; figures are trusted."""
    page = _cut(page)
    text, sections = _template().render(page=page), list(page.sections)
    while len(text.encode()) > MAX_BYTES and sections:
        left_out = len(page.sections) - len(sections) + 1
        sections.pop()
        note = Section("Left out", f"{left_out} more, as a page has at most {MAX_BYTES:,} bytes.")
        text = _template().render(page=replace(page, sections=[*sections, note]))
    return text


def as_json(page: Page) -> dict[str, Any]:
    """The page as data, with all rows as they are; figures by what they show."""
    return {
        "title": page.title,
        "state": page.state,
        "verdict": page.verdict,
        "facts": dict(page.facts),
        "failed": list(page.failed),
        "sections": [
            {
                "title": section.title,
                "text": section.text,
                "tables": [
                    {
                        "header": list(table.header),
                        "rows": [list(row) for row in table.rows],
                        "marked": sorted(table.marked),
                    }
                    for table in section.tables
                ],
                "figures": [figure.caption for figure in section.figures],
            }
            for section in page.sections
        ],
    }


def _cut(page: Page) -> Page:
    """What stands above the sections, bounded: others' words may be of any length."""
    failed = [_short(one, MAX_LINE) for one in page.failed[:MAX_FAILED]]
    if len(page.failed) > MAX_FAILED:
        failed.append(f"… and {len(page.failed) - MAX_FAILED} more.")
    facts = {_short(name, MAX_CELL): _short(value, MAX_LINE) for name, value in page.facts.items()}
    return replace(page, verdict=_short(page.verdict, MAX_LINE), facts=facts, failed=failed)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def told(cell: Cell) -> str:
    """A cell as text: numbers with four figures, texts cut off where they are long."""
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 10_000 else f"{cell:.4g}"
    if isinstance(cell, int):
        return f"{cell:,}"
    return _short(cell, MAX_CELL)


@cache
def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(_TEMPLATES)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.get_template("page.html")
