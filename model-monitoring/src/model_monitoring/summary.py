"""What is remembered of a column: counts, moments, a sketch of its numbers, counts of its texts. Merging adds up."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from datasketches import kll_doubles_sketch

K = 2048
"""Accuracy of the sketch: ranks are off by 0.1 % or less, surely enough (Karnin, Lang, Liberty 2016)."""
MAX_TEXTS = 10_000
"""Different texts that are told apart in a column; others count together."""


@dataclass
class Numbers:
    """Moments and the sketch of a column's numbers."""

    count: int = 0
    integral: int = 0
    mean: float = 0.0
    squares: float = 0.0
    least: float = math.inf
    greatest: float = -math.inf
    negative: int = 0
    sketch: Any = field(default_factory=lambda: kll_doubles_sketch(K))

    @property
    def deviation(self) -> float:
        """The standard deviation of the population; 0 without numbers."""
        return math.sqrt(max(0.0, self.squares / self.count)) if self.count else 0.0

    def add(self, values: np.ndarray[Any, np.dtype[np.float64]]) -> None:
        """Take in finite numbers."""
        if not len(values):
            return
        mean = float(values.mean())
        self._join(len(values), mean, float(((values - mean) ** 2).sum()))
        self.integral += int((values == np.floor(values)).sum())
        self.negative += int((values < 0).sum())
        self.least, self.greatest = min(self.least, float(values.min())), max(self.greatest, float(values.max()))
        self.sketch.update(values)

    def merge(self, other: Numbers) -> None:
        """Take in what another one has seen."""
        if not other.count:
            return
        self._join(other.count, other.mean, other.squares)
        self.integral += other.integral
        self.negative += other.negative
        self.least, self.greatest = min(self.least, other.least), max(self.greatest, other.greatest)
        self.sketch.merge(other.sketch)

    def _join(self, count: int, mean: float, squares: float) -> None:
        # Chan, Golub, LeVeque 1979: moments of two parts together, without cancellation.
        total = self.count + count
        step = mean - self.mean
        self.squares += squares + step * step * self.count * count / total
        self.mean += step * count / total
        self.count = total


@dataclass
class Column:
    """A column: `missing` counts None and NaN, `other` what is neither number nor text."""

    missing: int = 0
    other: int = 0
    numbers: Numbers = field(default_factory=Numbers)
    texts: Counter[str] = field(default_factory=Counter)
    further_texts: int = 0

    @property
    def present(self) -> int:
        """Values that are there."""
        return self.numbers.count + self.text_count + self.other

    @property
    def text_count(self) -> int:
        """Values that are texts."""
        return self.texts.total() + self.further_texts

    @property
    def kind(self) -> str:
        """Integral, Fractional, String or Unknown: what most of its values are."""
        counts = {"String": self.text_count, "Unknown": self.other, "Fractional": self.numbers.count}
        kind = max(counts, key=counts.__getitem__)
        if not counts[kind]:
            return "Unknown"
        return "Integral" if kind == "Fractional" and self.numbers.integral == self.numbers.count else kind

    def add(self, values: Sequence[Any]) -> None:
        """Take in values: numbers, texts, None; infinite numbers and whatever else count as `other`."""
        kinds = set(map(type, values)) - {type(None)}
        if kinds <= {int, float}:
            self._numbers(values)
        elif kinds == {str}:
            present = [value for value in values if value is not None]
            self.missing += len(values) - len(present)
            self._texts(Counter(present))
        else:
            self._numbers([value for value in values if type(value) in (int, float, type(None))])
            self._texts(Counter(value for value in values if type(value) is str))
            self.other += sum(type(value) not in (int, float, str, type(None)) for value in values)

    def merge(self, other: Column) -> None:
        """Take in what another one has seen."""
        self.missing += other.missing
        self.other += other.other
        self.numbers.merge(other.numbers)
        self.further_texts += other.further_texts
        self._texts(other.texts)

    def _numbers(self, values: Sequence[Any]) -> None:
        try:
            array = np.array(values, dtype=np.float64)
        except OverflowError:  # a whole number beyond a double's range
            array = np.array([_double(value) for value in values], dtype=np.float64)
        missing, finite = np.isnan(array), np.isfinite(array)
        self.missing += int(missing.sum())
        self.other += len(array) - int(missing.sum()) - int(finite.sum())
        self.numbers.add(array[finite])

    def _texts(self, counts: Counter[str]) -> None:
        for text, count in counts.items():
            if text in self.texts or len(self.texts) < MAX_TEXTS:
                self.texts[text] += count
            else:
                self.further_texts += count


def _double(value: float | int | None) -> float | None:
    try:
        return None if value is None else float(value)
    except OverflowError:
        return math.inf


@dataclass
class Summary:
    """All columns of a window, and how many rows it had."""

    rows: int = 0
    columns: dict[str, Column] = field(default_factory=dict)

    def add(self, columns: dict[str, list[Any]], count: int) -> None:
        """Take in a batch of `count` rows."""
        for name, values in columns.items():
            self._column(name).add(values)
        self._note_absent(columns, count)
        self.rows += count

    def merge(self, other: Summary) -> None:
        """Take in what another one has seen."""
        for name, column in other.columns.items():
            self._column(name).merge(column)
        self._note_absent(other.columns, other.rows)
        self.rows += other.rows

    def _column(self, name: str) -> Column:
        # Rows that came before the column's first had no value in it.
        return self.columns.setdefault(name, Column(missing=self.rows))

    def _note_absent(self, there: Iterable[str], count: int) -> None:
        for name in self.columns.keys() - set(there):
            self.columns[name].missing += count
