"""What the number of rows changes, and what it does not."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_files import rows, run, table

__all__ = ["run"]  # the fixture
FEW, MANY = 50_000, 400_000


@pytest.fixture
def columns(tmp_path: Path) -> Callable[[int], Path]:
    """A Parquet file of that many rows."""

    def written(count: int) -> Path:
        draw = np.random.default_rng(count)
        found = {"x": draw.normal(size=count), "place": draw.choice(["A", "B", "C"], count)}
        pq.write_table(pa.table(found), path := tmp_path / f"{count}.parquet", row_group_size=10_000)
        return path

    return written


def untimed(count: int, seed: int) -> list[dict[str, Any]]:
    """So many rows of the same traffic, without their times."""
    found = rows("Regression", days=1, a_day=count, seed=seed)
    return [{name: value for name, value in row.items() if name != "time"} for row in found]


def test_memory_does_not_grow_with_rows(run, columns) -> None:
    """Four times the rows, and hardly more at the peak: each column keeps a sketch."""
    peaks = []
    # The first look is for what is imported and kept for good; few rows leave the sketches half empty.
    for count in (FEW, MANY, 4 * MANY):
        source = columns(count)
        tracemalloc.start()
        run(source, form="parquet", time_column="")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.3 * peaks[1]


def test_time_grows_as_rows_do(run, columns) -> None:
    """Eight times the rows take about eight times the processor; were it their square, it would be sixty-four."""
    seconds = []
    for count in (FEW, MANY):
        source = columns(count)
        began = time.process_time()
        run(source, form="parquet", time_column="")
        seconds.append(time.process_time() - began)
    assert seconds[1] < 24 * seconds[0]


@pytest.mark.parametrize("count", [500, 50_000])
def test_the_verdict_does_not_change_with_the_size_alone(tmp_path, run, count) -> None:
    """The same traffic is quiet, and another one drifts, by few rows and by many."""
    made = run(table(tmp_path / "good.csv", untimed(5_000, seed=1)), time_column="")
    now = untimed(count, seed=2)

    def drifted() -> list[str]:
        look = run(table(tmp_path / "now.csv", now), made, time_column="")
        violations = json.loads((look / "constraint_violations.json").read_text())["violations"]
        return [one["feature_name"] for one in violations]

    assert [] == drifted()
    now = [row | {"x": row["x"] / 2} for row in now]
    assert ["x"] == drifted()


def test_the_share_of_rows_with_a_label_is_said(tmp_path, run) -> None:
    """A window of which half is labelled is judged on that half."""
    made = run(table(tmp_path / "good.csv", rows("BinaryClassification")))
    half = [
        row if n % 2 else row | {"label": None} for n, row in enumerate(rows("BinaryClassification", a_day=20, seed=2))
    ]
    found = json.loads((run(table(tmp_path / "now.csv", half), made) / "model_quality_statistics.json").read_text())
    assert (600, 0.5) == tuple(found["dataset"][name] for name in ("labelled_count", "labelled_share"))
