"""The baseline's own windows: how far its days, weeks and months lie from the rest of it.

What varies from month to month in good times is no drift; so a threshold comes from windows of the same length.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from statistics import median
from typing import Any, Literal

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
_SCALE = 0.9
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Window:
    """A window of the baseline: the day that it begins with, rows, and features' Robust distances from the rest."""

    begins: str
    rows: int
    distances: Mapping[str, float]


@dataclass(frozen=True)
class Own:
    """The baseline's windows of a length, thresholds by feature, and the rate of false alarms that these promise.

    `is_joint`: the rate is that of windows with any alarm; else there are too few windows to promise what was asked
    for, and each feature's threshold is the most that it had, which a further window exceeds at `rate`.
    """

    windows: Sequence[Window]
    thresholds: Mapping[str, float]
    rate: float
    is_joint: bool


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


def length_of(since: datetime, until: datetime) -> Length:
    """The length that a window is nearest to; what is shorter than a day is held to days."""
    days = (until - since).total_seconds() / DAY
    return "day" if days < 3.5 else "week" if days < 14 else "month"


def day_of(at: float) -> int:
    """Unix time → days since 1970, UTC."""
    return math.floor(at / DAY)


def own_windows(days: Days, whole: Summary, rate: float) -> dict[Length, Own]:
    """Of each length that the baseline has enough windows of. `rate`: of windows with any false alarm."""
    known = {name: known_of(name, column) for name, column in whole.columns.items()}
    found: dict[Length, Own] = {}
    for length in LENGTHS:
        parts = days.by(length)
        if len(parts) >= FEWEST:
            windows = [Window(str(begins), part.rows, _distances(part, known)) for begins, part in parts.items()]
            found[length] = Own(windows, *thresholds([window.distances for window in windows], rate))
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


def thresholds(windows: Sequence[Mapping[str, float]], rate: float) -> tuple[dict[str, float], float, bool]:
    """Thresholds by feature, the rate of false alarms, and whether that is the rate of windows with any alarm.

    Each feature's distances are taken relative to its own scale (their 90th percentile), each window by its largest;
    the threshold is the scale times the order statistic of those that a further, exchangeable window exceeds at `rate`
    at most (split conformal: Vovk, Gammerman, Shafer 2005). Where that takes more windows than there are, it is the
    most that the feature had.
    """
    count = len(windows)
    scales = {
        name: max(LEAST, float(np.quantile([window.get(name, 0.0) for window in windows], _SCALE)))
        for name in dict.fromkeys(name for window in windows for name in window)
    }
    place = math.ceil((count + 1) * (1 - rate))
    if place <= count:
        largest = sorted(max((far / scales[name] for name, far in one.items()), default=0.0) for one in windows)
        times = max(1.0, largest[place - 1])
        return {name: min(1.0, scale * times) for name, scale in scales.items()}, 1 - place / (count + 1), True
    most = {name: max(LEAST, *(one.get(name, 0.0) for one in windows)) for name in scales}
    return most, 1 / (count + 1), False


def labelled_windows(
    times: Vector, length: Length, measure: Callable[[Places], Mapping[str, float | None]]
) -> list[Mapping[str, float | None]]:
    """What `measure` says of the rows (their places) of each window of a length that is not mostly cut off."""
    days = np.floor(times / DAY).astype(np.int64)
    starts = {day: began(length, int(day)).toordinal() for day in np.unique(days).tolist()}
    window = np.array([starts[day] for day in days.tolist()], dtype=np.int64)
    names, counts = np.unique(window, return_counts=True)
    usual = np.median(counts) if len(counts) else 0
    return [
        measure(np.flatnonzero(window == name)) for name, count in zip(names, counts, strict=True) if count >= usual / 2
    ]
