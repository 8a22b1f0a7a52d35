"""The frame of every report: a verdict, then sections of facts, tables and figures; rendered to one HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

import jinja2

State = Literal["good", "bad", "unsure"]
MAX_ROWS = 200
"""Rows of a table that are shown; the others are counted."""
MAX_CELL = 120
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
    """The page as HTML. Every text in it is escaped; figures are trusted."""
    return _template().render(page=page)


def told(cell: Cell) -> str:
    """A cell as text: numbers with four figures, texts cut off where they are long."""
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 10_000 else f"{cell:.4g}"
    if isinstance(cell, int):
        return f"{cell:,}"
    return cell if len(cell) <= MAX_CELL else f"{cell[: MAX_CELL - 1]}…"


@cache
def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(_TEMPLATES)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.get_template("page.html")
