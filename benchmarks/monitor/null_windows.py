"""How often windows alarm in which nothing has changed. Runs in the program's environment.

`python null_windows.py TABLE.parquet WINDOWS`: rows with times, `prediction` and `label`. Windows are drawn by row from
rows that the baseline does not have, and as blocks of days that it does not have. Prints a JSON object.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from model_monitoring import constraints, statistics, violations
from model_monitoring.answers import Coded
from model_monitoring.labels import Joined
from model_monitoring.quality import held
from model_monitoring.quality.judged import Judged
from model_monitoring.statistics import Known
from model_monitoring.summary import Summary
from model_monitoring.tables import Batch, batches, moments
from model_monitoring.windows import DAY, Days, Length, own_windows

RATE = 0.05
UNTIL = datetime(2013, 7, 1, tzinfo=UTC).timestamp()
"""The half year from which the example's model has learnt."""
COUNTING = ("prediction", "airport_late_share", "airport_delay")
"""Columns that may trigger, in the example."""
KINDS: tuple[tuple[int, int, Length], ...] = ((500, 1, "day"), (5000, 7, "week"))
"""Rows of a window, days of a block, and which of the baseline's windows it is held to."""
FOLDS = 10
"""Baselines; each leaves out a part of the blocks."""


@dataclass(frozen=True)
class Baseline:
    """What windows are held to."""

    known: dict[str, Known]
    columns: constraints.Constraints
    quality: held.Constraints


@dataclass
class Rows:
    """Some batches, with their rows' days since 1970."""

    parts: list[tuple[Batch, np.ndarray]]

    @property
    def days(self) -> np.ndarray:
        """Of all rows."""
        return np.concatenate([days for _, days in self.parts])

    def take(self, places: np.ndarray) -> Iterator[tuple[Batch, np.ndarray]]:
        """The rows at these places, batch by batch."""
        begin = 0
        for batch, days in self.parts:
            inside = places[(places >= begin) & (places < begin + len(batch))] - begin
            if len(inside):
                yield batch.take(inside), days[inside]
            begin += len(batch)


def baseline(parts: Sequence[tuple[Batch, np.ndarray]], length: Length, counting: Sequence[str]) -> Baseline:
    """As the program makes it."""
    days = Days()
    for batch, of in parts:
        for day in np.unique(of).tolist():
            batch.take(np.flatnonzero(of == day)).add_to(days.of(day), names(batch))
    whole = days.whole()
    own = own_windows(days, whole, RATE, counting, [length])
    known = {name: statistics.known_of(name, column) for name, column in whole.columns.items()}
    return Baseline(known, constraints.suggested(whole, own), held.suggested(judged(parts), RATE))


def names(batch: Batch) -> dict[str, str]:
    """All columns but times and labels."""
    return {name: name for name in batch.names if name not in ("time", "label")}


def judged(parts: Sequence[tuple[Batch, np.ndarray]]) -> Judged:
    """Predictions with their labels."""
    said, true = (
        np.concatenate([np.array(b.values(n), dtype=float) for b, _ in parts]) for n in ("prediction", "label")
    )
    times = np.concatenate([days for _, days in parts]) * DAY
    return Judged(Joined(len(said), said, true, times, Coded()), "binary_classification", repeats=20)


def alarms(parts: Sequence[tuple[Batch, np.ndarray]], against: Baseline, length: Length) -> dict[str, bool]:
    """Whether a window alarms in any column, in one that counts, and in any metric."""
    summary = Summary()
    for batch, _ in parts:
        batch.add_to(summary, names(batch))
    now = {name: statistics.known_of(name, column) for name, column in summary.columns.items()}
    found = {one["feature_name"] for one in violations.check(summary, now, against.known, against.columns, length)}
    worse = any(held.check(judged(parts), against.quality, length))
    return {"any column": bool(found), "a column that counts": not found.isdisjoint(COUNTING), "any metric": worse}


def by_row(rows: Rows, draw: np.random.Generator, count: int, size: int, length: Length) -> Iterator[dict[str, bool]]:
    """A fifth of the rows is left out, and windows are drawn from it."""
    order = draw.permutation(len(rows.days))
    out, rest = np.sort(order[: len(order) // 5]), np.sort(order[len(order) // 5 :])
    against = baseline([*rows.take(rest)], length, ())
    for _ in range(count):
        yield alarms([*rows.take(np.sort(draw.choice(out, size, replace=False)))], against, length)


def by_block(
    rows: Rows, draw: np.random.Generator, count: int, size: int, span: int, length: Length, counting: Sequence[str]
) -> Iterator[dict[str, bool]]:
    """Each baseline leaves out some blocks of days, from each of which windows are drawn."""
    days = rows.days
    all_days = np.unique(days)
    blocks = [all_days[begin : begin + span] for begin in range(0, len(all_days) - span + 1, span)]
    draw.shuffle(blocks)
    for fold in range(FOLDS):
        out = blocks[fold::FOLDS]
        against = baseline([*rows.take(np.flatnonzero(~np.isin(days, np.concatenate(out))))], length, counting)
        for number in range(count // FOLDS):
            places = np.flatnonzero(np.isin(days, out[number % len(out)]))
            picked = draw.choice(places, min(size, len(places)), replace=False)
            yield alarms([*rows.take(np.sort(picked))], against, length)


def main(table: str, windows: int) -> None:
    """Measure all kinds."""
    parts = []
    for batch in batches(Path(table), "parquet"):
        times = moments(batch.values("time"), "time")
        learnt = np.flatnonzero(times < UNTIL)
        if len(learnt):
            parts.append((batch.take(learnt), np.floor(times[learnt] / DAY).astype(np.int64)))
    rows = Rows(parts)
    found: dict[str, Any] = {}
    for size, span, length in KINDS:
        draw = np.random.default_rng(size)
        for name, drawn in (
            ("by row", by_row(rows, draw, windows, size, length)),
            ("by block", by_block(rows, draw, windows, size, span, length, ())),
            ("by block, counting", by_block(rows, draw, windows, size, span, length, COUNTING)),
        ):
            every = [*drawn]
            found[f"{size} rows, {name}"] = {key: [one[key] for one in every] for key in every[0]}
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
