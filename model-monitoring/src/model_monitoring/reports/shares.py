"""Two columns' distributions side by side, as shares of rows in bins or by category."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model_monitoring.statistics import Known
from model_monitoring.summary import Vector

BINS, CATEGORIES = 16, 12


def side_by_side(before: Known, now: Known) -> tuple[list[str], list[float], list[float]] | None:
    """Labels, the baseline's shares, the window's; None where there is nothing to compare.

    Bins of equal width lie between the 0.5th and the 99.5th percentile of both; what lies beyond is in the outer ones.
    """
    if len(before.values) and len(now.values):
        return _numbers(before, now)
    if before.categories and now.categories:
        return _categories(before, now)
    return None


def _numbers(before: Known, now: Known) -> tuple[list[str], list[float], list[float]]:
    lows, highs = zip(*(_ends(one.values, one.weights) for one in (before, now)), strict=True)
    edges = np.linspace(min(lows), max(highs), BINS + 1)
    if not edges[0] < edges[1]:
        edges = np.array([edges[0] - 0.5, edges[0] + 0.5])
    labels = [f"{low:.4g}" for low in edges[:-1]]
    return labels, _shares(before.values, before.weights, edges), _shares(now.values, now.weights, edges)


def _ends(values: Vector, weights: Vector) -> tuple[float, float]:
    sums = np.cumsum(weights) / weights.sum()
    low, high = np.searchsorted(sums, [0.005, 0.995])
    return float(values[low]), float(values[min(high, len(values) - 1)])


def _shares(values: Vector, weights: Vector, edges: Vector) -> list[float]:
    places = np.clip(np.searchsorted(edges, values, "right") - 1, 0, len(edges) - 2)
    found: list[float] = (np.bincount(places, weights, len(edges) - 1) / weights.sum()).tolist()
    return found


def _categories(before: Known, now: Known) -> tuple[list[str], list[float], list[float]]:
    total, count = sum(before.categories.values()), sum(now.categories.values())
    shares = {
        name: (before.categories.get(name, 0) / total, now.categories.get(name, 0) / count)
        for name in before.categories.keys() | now.categories.keys()
    }
    shown: Sequence[str] = sorted(shares, key=lambda name: (-max(shares[name]), name))[:CATEGORIES]
    return [*shown], [shares[name][0] for name in shown], [shares[name][1] for name in shown]
