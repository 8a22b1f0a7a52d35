"""A probation's last look once more: what both versions answered to the same requests, and what came true by then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tests.replay.recomputed.figures import Interval, by_days
from tests.replay.recomputed.traffic import Captured, Label


@dataclass(frozen=True, slots=True)
class Compared:
    """Rows that both answered with their labels known, the days they are of, and the difference of the Brier scores."""

    rows: int
    days: int
    difference: Interval


def compared(
    new: Sequence[Captured], before: Sequence[Captured], labels: Mapping[str, Label], since: float, looked: float
) -> Compared:
    """Of what was asked from `since` on and known when somebody `looked` (Unix time): the new one's less the other's."""
    heard = {row.id: row.prediction for row in before if since <= row.at < looked}
    both = [
        (row.prediction, heard[row.id], label.value, label.day)
        for row in new
        if since <= row.at < looked and row.id in heard and (label := labels.get(row.id)) and label.written < looked
    ]
    mine, other, true = (np.array([one[place] for one in both], dtype=np.float64) for place in range(3))
    days = [one[3] for one in both]
    return Compared(len(both), len(set(days)), by_days((mine - true) ** 2 - (other - true) ** 2, days))
