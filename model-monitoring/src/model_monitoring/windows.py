"""The baseline's own windows: how far its days, weeks and months lie from the rest of it.

What varies from month to month in good times is no drift; so a threshold comes from windows of the same length.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from statistics import median
from typing import Any, Generic, Literal, TypeVar

import numpy as np

from model_monitoring import distance
from model_monitoring.problems import Problem
from model_monitoring.statistics import Known, known_of
from model_monitoring.summary import Summary

Length = Literal["day", "week", "month"]
LENGTHS: tuple[Length, ...] = ("day", "week", "month")
DAY = 86400.0
MAX_DAYS = 3660
FEWEST = 4
"""Windows of a length that a baseline needs to say anything about that length."""
LEAST = 0.02
"""A distance that small means nothing, however steady a baseline was."""
Vector = np.ndarray[Any, np.dtype[np.float64]]
Places = np.ndarray[Any, np.dtype[np.intp]]
FEW = 20
"""Windows without which a rate such as 5 % can't be told."""
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Window:
    """A window of the baseline: the day that it begins with, and its rows.

    `distances` are features' Robust distances from the rest, `missing` by how much more of their values is missing.
    """

    begins: str
    rows: int
    distances: Mapping[str, float]
    missing: Mapping[str, float]


@dataclass(frozen=True)
class Own:
    """The baseline's windows of a length, and by feature what a window of that length may be away, or miss more.

    `rate` of windows have any alarm: of the baseline's own, each held to the others. It is what was asked for where
    `is_kept`; fewer than `FEW` windows can't tell such rates, and their thresholds are the most that there was.
    """

    windows: Sequence[Window]
    thresholds: Mapping[str, float]
    missing: Mapping[str, float]
    rate: float
    is_kept: bool


@dataclass
class Days:
    """Summaries by day, in days since 1970 (UTC)."""

    summaries: dict[int, Summary] = field(default_factory=dict)

    def of(self, day: int) -> Summary:
        """The day's summary. Raises Problem for more days than a baseline can have."""
        if day not in self.summaries and len(self.summaries) >= MAX_DAYS:
            raise Problem(f"the baseline's times are of more than {MAX_DAYS} different days")
        return self.summaries.setdefault(day, Summary())

    def whole(self) -> Summary:
        """All days together."""
        found = Summary()
        for day in sorted(self.summaries):
            found.merge(self.summaries[day])
        return found

    def by(self, length: Length) -> dict[date, Summary]:
        """The windows of a length, by the day that each begins with. Those that are mostly cut off are left out."""
        found: dict[date, Summary] = {}
        for day in sorted(self.summaries):
            found.setdefault(began(length, day), Summary()).merge(self.summaries[day])
        usual = median(summary.rows for summary in found.values()) if found else 0
        return {begins: summary for begins, summary in found.items() if summary.rows >= usual / 2}


def began(length: Length, day: int) -> date:
    """The day with which the window begins that a day (since 1970) belongs to; weeks begin on Monday."""
    at = _EPOCH + timedelta(days=day)
    if length == "month":
        return at.replace(day=1)
    return at - timedelta(days=at.weekday()) if length == "week" else at


def length_of(seconds: float) -> Length:
    """The length that a window is nearest to; what is shorter than a day is held to days, and so is what is unknown."""
    days = seconds / DAY
    return "day" if not days >= 3.5 else "week" if days < 14 else "month"


def day_of(at: float) -> int:
    """Unix time → days since 1970, UTC."""
    return math.floor(at / DAY)


def own_windows(
    days: Days, whole: Summary, rate: float, counting: Collection[str] = (), lengths: Sequence[Length] = LENGTHS
) -> dict[Length, Own]:
    """Of each length that the baseline has enough windows of.

    `rate`: of windows with any false alarm, in the features `counting`; in all, if there is none of these.
    """
    known = {name: known_of(name, column) for name, column in whole.columns.items()}
    found: dict[Length, Own] = {}
    for length in lengths:
        parts = days.by(length)
        if len(parts) < FEWEST:
            continue
        windows = [
            Window(str(begins), part.rows, _distances(part, known), _missing(part, whole))
            for begins, part in parts.items()
        ]
        both = [
            {("", name): far for name, far in one.distances.items()}
            | {("missing", name): far for name, far in one.missing.items()}
            for one in windows
        ]
        keys = {key for one in both for key in one}
        held = thresholds(both, rate, {key for key in keys if key[1] in counting} or keys)
        found[length] = Own(
            windows,
            {name: far for (what, name), far in held.of.items() if not what},
            {name: far for (what, name), far in held.of.items() if what},
            held.rate,
            held.is_kept,
        )
    return found


def _distances(part: Summary, whole: Mapping[str, Known]) -> dict[str, float]:
    found = {}
    for name, column in part.columns.items():
        all_of_it = whole[name]
        own = known_of(name, column, all_of_it.kind)
        if len(own.values) and len(all_of_it.values):
            n, total = int(own.weights.sum()), int(all_of_it.weights.sum())
            far = distance.of_numbers(own.values, own.weights, all_of_it.values, all_of_it.weights)
        elif own.categories and all_of_it.categories:
            n, total = sum(own.categories.values()), sum(all_of_it.categories.values())
            far = distance.of_categories(own.categories, all_of_it.categories)
        else:
            continue
        if n < total:
            found[name] = min(1.0, distance.robust(distance.from_the_rest(far, n, total), n, total - n))
    return found


def _missing(part: Summary, whole: Summary) -> dict[str, float]:
    return {
        name: max(0.0, column.missing / part.rows - whole.columns[name].missing / whole.rows)
        for name, column in part.columns.items()
        if whole.columns[name].missing
    }


K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Held(Generic[K]):
    """Thresholds, the share of windows that exceed any when they are left out, and whether that was asked for."""

    of: Mapping[K, float]
    rate: float
    is_kept: bool


def thresholds(windows: Sequence[Mapping[K, float]], rate: float, counting: Collection[K]) -> Held[K]:
    """The most that each feature had, times one factor for all.

    The factor is the smallest by which at most `rate` of the windows exceed any threshold of `counting` when the
    threshold is made without them (a jackknife: Barber, Candès, Ramdas, Tibshirani 2021). With fewer windows than `FEW`
    it is 1.
    """
    most = {key: _two_largest([one.get(key, 0.0) for one in windows]) for one in windows for key in one}

    def exceeds(one: Mapping[K, float]) -> float:
        """By which factor a window exceeds what the others had, at most."""
        factors = [0.0]
        for key in counting:
            first, second = most[key]
            far = one.get(key, 0.0)
            others = second if far == first else first
            factors.append(far / max(LEAST, others))
        return max(factors)

    falling = sorted((exceeds(one) for one in windows), reverse=True)
    is_kept = len(windows) >= FEW
    factor = falling[math.floor(rate * len(windows))] if is_kept else 1.0
    share = sum(one > factor for one in falling) / len(windows)
    return Held({key: min(1.0, max(LEAST, first * factor)) for key, (first, _) in most.items()}, share, is_kept)


def _two_largest(values: Sequence[float]) -> tuple[float, float]:
    first, second = sorted(values, reverse=True)[:2]
    return first, second


def labelled_windows(times: Vector, length: Length) -> list[Places]:
    """The places of the rows of each window of a length that is not mostly cut off."""
    days, of = np.unique(np.floor(times / DAY).astype(np.int64), return_inverse=True)
    window = np.array([began(length, day).toordinal() for day in days.tolist()], dtype=np.int64)[of]
    names, counts = np.unique(window, return_counts=True)
    usual = np.median(counts) if len(counts) else 0
    return [np.flatnonzero(window == name) for name, count in zip(names, counts, strict=True) if count >= usual / 2]
