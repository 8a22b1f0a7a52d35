"""Held-out rows beside the model: whoever converts, serves or compares it checks itself on them, row by row."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from training.features import NAMES
from training.prepare import Rows

HOLDOUT_FILE = "holdout.csv"
BASELINE_FILE = "baseline.csv"
"""Rows that it learned from, with their days: what monitors hold its traffic to."""
DAY = "day"
MOST_ROWS = 10_000
_SEED = 2013


def pick(rows: int) -> NDArray[np.int64]:
    """Ascending positions of at most 10,000 of `rows`, drawn evenly: equal for equal counts."""
    drawn = np.random.default_rng(_SEED).choice(rows, size=min(rows, MOST_ROWS), replace=False)
    return np.sort(drawn)


def render(rows: Rows, scores: NDArray[np.float64], picked: NDArray[np.int64], first: Sequence[str] = ()) -> bytes:
    """The picked rows as CSV: the features in the order of the schema, `prediction`, `label` (1 is late).

    `first` are columns that go before them. A missing value is an empty field; floats are written so that reading them
    gives the same double.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = (*first, *NAMES)
    writer.writerow([*columns, "prediction", "label"])
    writer.writerows(_lines(rows, scores, picked, columns))
    return text.getvalue().encode()


def _lines(
    rows: Rows, scores: NDArray[np.float64], picked: NDArray[np.int64], columns: Sequence[str]
) -> Iterator[tuple[object, ...]]:
    features = rows.table[picked].select(columns).iter_rows()
    for values, score, late in zip(features, scores[picked].tolist(), rows.labels[picked].tolist(), strict=True):
        yield (*values, score, int(late))
