"""What is remembered of a column: counts, moments, sketches of its numbers, counts of its texts. Merging adds up."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from datasketches import kll_doubles_sketch

K = 2048
"""Accuracy of a sketch: ranks are off by 0.1 % or less, surely enough (Karnin, Lang, Liberty 2016)."""
THINNED = ((1 << 16, 5), (1 << 13, 2))
"""Batches of that many numbers: one of 2^5, or of 2^2, neighbours by rank goes into a sketch, by chance which one.

That is the sampler that Karnin, Lang and Liberty put below their sketch, over sorted numbers: a batch's ranks are off
by 0.05 % at most, without bias. Sorting is ten times cheaper than the sketch.
"""
MAX_TEXTS = 10_000
"""Different texts that are told apart in a column; others count together."""

Vector = np.ndarray[Any, np.dtype[np.float64]]
_chance = np.random.default_rng(2048)


@dataclass
class Numbers:
    """Moments and sketches of a column's finite numbers.

    `sketches` has by level i the sketch of numbers that stand for 2^i each; the levels' numbers add up to `count`.
    """

    count: int = 0
    integral: int = 0
    mean: float = 0.0
    squares: float = 0.0
    least: float = math.inf
    greatest: float = -math.inf
    negative: int = 0
    sketches: dict[int, Any] = field(default_factory=dict)

    @property
    def deviation(self) -> float:
        """The standard deviation of the population; 0 without numbers."""
        return math.sqrt(max(0.0, self.squares / self.count)) if self.count else 0.0

    def add(self, values: Vector, is_integral: bool = False) -> None:
        """Take in finite numbers in ascending order; `is_integral` says that all are whole."""
        if not len(values):
            return
        mean = float(values.mean())
        self._join(len(values), mean, float(np.square(values - mean).sum()))
        self.integral += len(values) if is_integral else int((values == np.floor(values)).sum())
        self.negative += int(np.searchsorted(values, 0.0))
        self.least, self.greatest = min(self.least, float(values[0])), max(self.greatest, float(values[-1]))
        self._sketch(values)

    def merge(self, other: Numbers) -> None:
        """Take in what another one has seen."""
        if not other.count:
            return
        self._join(other.count, other.mean, other.squares)
        self.integral += other.integral
        self.negative += other.negative
        self.least, self.greatest = min(self.least, other.least), max(self.greatest, other.greatest)
        for level, sketch in other.sketches.items():
            self._level(level).merge(sketch)

    def weighted(self) -> tuple[Vector, Vector]:
        """The sketches' numbers in ascending order, and how many of the column's each stands for."""
        pairs = [
            (value, float(int(weight) << level)) for level, sketch in self.sketches.items() for value, weight in sketch
        ]
        both = np.array(pairs, dtype=np.float64).reshape(-1, 2)
        both = both[np.argsort(both[:, 0], kind="stable")]
        return both[:, 0], both[:, 1]

    def _sketch(self, values: Vector) -> None:
        level = next((level for most, level in THINNED if len(values) >= most), 0)
        step = 1 << level
        rest = len(values) % step
        if level:
            # Any `rest` numbers may stand for themselves: spread over the ranks, they leave no gap at one end.
            apart = np.linspace(0, len(values) - 1, rest, dtype=np.intp)
            self._level(0).update(values[apart])
            values = np.delete(values, apart) if rest else values
            values = values[np.arange(0, len(values), step) + _chance.integers(0, step, len(values) // step)]
        self._level(level).update(values)

    def _level(self, level: int) -> Any:
        if level not in self.sketches:
            self.sketches[level] = kll_doubles_sketch(K)
        return self.sketches[level]

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

    def add_numbers(self, values: Vector, is_integral: bool = False) -> None:
        """Take in doubles: NaN counts as missing, infinite numbers as `other`."""
        ordered = np.sort(values)  # NaN comes last
        first, last = np.searchsorted(ordered, [-np.finfo(np.float64).max, np.inf]).tolist()
        missing = len(ordered) - int(np.searchsorted(ordered, np.nan))
        self.missing += missing
        self.other += len(ordered) - missing - (last - first)
        self.numbers.add(ordered[first:last], is_integral)

    def add_texts(self, counts: Mapping[str, int], missing: int) -> None:
        """Take in texts that are counted already."""
        self.missing += missing
        self._texts(counts)

    def _numbers(self, values: Sequence[Any]) -> None:
        try:
            array = np.array(values, dtype=np.float64)
        except OverflowError:  # a whole number beyond a double's range
            array = np.array([_double(value) for value in values], dtype=np.float64)
        self.add_numbers(array)

    def _texts(self, counts: Mapping[str, int]) -> None:
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
            self.column(name).add(values)
        self.add_rows(columns, count)

    def column(self, name: str) -> Column:
        """The column, for a reader that takes in values by itself; it says `add_rows` afterwards."""
        # Rows that came before the column's first had no value in it.
        return self.columns.setdefault(name, Column(missing=self.rows))

    def add_rows(self, there: Iterable[str], count: int) -> None:
        """Count rows whose values are taken in, in the columns that are there."""
        self._note_absent(there, count)
        self.rows += count

    def merge(self, other: Summary) -> None:
        """Take in what another one has seen."""
        for name, column in other.columns.items():
            self.column(name).merge(column)
        self.add_rows(other.columns, other.rows)

    def _note_absent(self, there: Iterable[str], count: int) -> None:
        for name in self.columns.keys() - set(there):
            self.columns[name].missing += count
