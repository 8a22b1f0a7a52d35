"""Held-out rows, as whoever gets the model reads them."""

from __future__ import annotations

import csv
import json
from datetime import date
from pathlib import Path

import lightgbm
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.__main__ import main
from training.evaluate import auc
from training.features import NAMES
from training.holdout import MOST_ROWS, pick


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model, tested on a month that has more flights than are kept."""
    folder = tmp_path_factory.mktemp("held-out")
    days = ["--from", "2013-01-01", "--until", "2013-02-01", "--test-until", "2013-03-01"]
    assert 0 == main(["--output", str(folder), "--rounds", "15", *days])
    return folder


def test_ten_thousand_rows_give_their_predictions_again(trained: Path) -> None:
    """Read by the schema alone, each row gets the very prediction that is recorded beside it."""
    metadata = json.loads((trained / "metadata.json").read_text())
    with (trained / metadata["holdout"]["file"]).open(newline="") as file:
        header, *rows = csv.reader(file)
    assert [*NAMES, "prediction", "label"] == header
    assert MOST_ROWS == metadata["holdout"]["rows"] == len(rows)

    columns = []
    for feature, written in zip(metadata["feature_schema"]["features"], zip(*rows, strict=True), strict=False):
        codes = {value: float(code) for code, value in enumerate(feature.get("values", []))}
        is_category = feature["type"] == "category"
        columns.append([codes.get(v, np.nan) if is_category else float(v or "nan") for v in written])
    booster = lightgbm.Booster(model_file=trained / "model.txt")
    predicted = np.asarray(booster.predict(np.array(columns).T, num_threads=1))
    assert [float(row[-2]) for row in rows] == predicted.tolist()


def test_the_sample_is_as_hard_as_the_test_window(trained: Path) -> None:
    """On the sample, late share and AUC are those of the metadata, give or take chance; missing values are in it."""
    metrics = json.loads((trained / "metadata.json").read_text())["metrics"]
    rows = pl.read_csv(trained / "holdout.csv")
    labels = rows["label"].cast(pl.Boolean).to_numpy()
    assert pytest.approx(metrics["late_rate"], abs=0.01) == labels.mean()
    assert pytest.approx(metrics["auc"], abs=0.01) == auc(labels, rows["prediction"].to_numpy())
    assert 0 < rows["wind_dir"].null_count()


def test_the_baseline_is_of_what_it_learned_from(trained: Path, table: pl.DataFrame) -> None:
    """Rows of the training window, with the predictions that the model makes of them."""
    metadata = json.loads((trained / "metadata.json").read_text())
    rows = pl.read_csv(trained / "baseline.csv", infer_schema_length=10_000)
    learned = table.filter(pl.col("late").is_not_null() & (pl.col("day") < date(2013, 2, 1)))
    assert {"file": "baseline.csv", "rows": rows.height, "time": "day"} == metadata["baseline"]
    assert (10_000, "2013-01-01", "2013-01-31") == (rows.height, rows["day"].min(), rows["day"].max())
    assert 0.01 > abs(learned["late"].mean() - rows["label"].mean())  # type: ignore[operator]
    assert 1.0 > abs(learned["temp"].mean() - rows["temp"].mean())  # type: ignore[operator]
    assert 0.01 > abs(rows["prediction"].mean() - rows["label"].mean())  # type: ignore[operator]


@given(rows=st.integers(0, 40_000))
def test_rows_are_picked_once_and_in_order(rows: int) -> None:
    """All rows of a small window, 10,000 different ones of a large one, always the same."""
    picked = pick(rows)
    assert min(rows, MOST_ROWS) == len(np.unique(picked)) == picked.size
    assert np.array_equal(np.sort(picked), picked)
    assert np.array_equal(picked, pick(rows))
    assert rows == 0 or rows > picked.max()
