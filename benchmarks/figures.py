"""A measured figure, its budget, and the table of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

Effort = Literal["quick", "normal", "full"]
Tell = Callable[[str], None]
"""Receives one line of progress at a time."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Samples of one thing. Without a budget the figure is only told; it is there to explain another one.

    `judged` says which of the samples has to keep the budget: their median or the worst of them. `at_least` turns the
    budget round, for ratios that must not be smaller.
    """

    what: str
    samples: tuple[float, ...]
    unit: str
    budget: float | None = None
    judged: Literal["median", "worst"] = "median"
    at_least: bool = False
    note: str = ""

    @property
    def value(self) -> float:
        """What is compared with the budget."""
        if self.judged == "median":
            return median(self.samples)
        return min(self.samples) if self.at_least else max(self.samples)

    @property
    def ok(self) -> bool:
        """Whether the budget is kept; a figure without one is always fine."""
        if self.budget is None:
            return True
        return self.value >= self.budget if self.at_least else self.value <= self.budget

    def allowed(self) -> str:
        """The budget in words."""
        if self.budget is None:
            return ""
        if self.budget == 0 and not self.at_least:
            return f"0 {self.unit}"
        worst = "" if self.judged == "median" else ", each"
        return f"{'≥' if self.at_least else '≤'} {_number(self.budget)} {self.unit}{worst}"

    def measured(self) -> str:
        """Median and range."""
        text = f"{_number(median(self.samples))} {self.unit}"
        if len(self.samples) > 1:
            text += f" [{_number(min(self.samples))}–{_number(max(self.samples))}]"
        return text

    def as_json(self) -> dict[str, Any]:
        """The figure with all of its samples."""
        return {
            "what": self.what, "unit": self.unit, "budget": self.budget, "judged": self.judged,
            "at_least": self.at_least, "median": median(self.samples), "min": min(self.samples),
            "max": max(self.samples), "samples": list(self.samples), "ok": self.ok, "note": self.note,
        }  # fmt: skip


Benchmark = Callable[[Effort, Tell], Iterator[Figure]]
"""Measures, and answers its figures as they come. Whatever it started is gone when it ends, also when it fails."""


def table(results: dict[str, Sequence[Figure]]) -> list[str]:
    """The lines of a Markdown table, one figure a row."""
    lines = ["| what | budget | measured: median [min–max] | n | ok |", "|---|---|---|---|---|"]
    for name, figures in results.items():
        lines.append(f"| **{name}** | | | | |")
        for figure in figures:
            mark = "" if figure.budget is None else "✔" if figure.ok else "✘"
            what = figure.what + (f" ({figure.note})" if figure.note else "")
            lines.append(f"| {what} | {figure.allowed()} | {figure.measured()} | {len(figure.samples)} | {mark} |")
    return lines


def _number(value: float) -> str:
    if value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
