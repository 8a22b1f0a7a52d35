"""Runs in the training's environment: the rows that every server is asked about, and the rows a peer trains on.

`python rows.py MODEL OUTPUT COUNT` reads MODEL/{model.txt,metadata.json} and writes into OUTPUT:

- `rows.json`: COUNT flights of the month after training, drawn once and for all: each as `instance` (what JSON clients
  send), `codes` (the same as numbers in schema order, category = its position, null = missing) and `prediction` (by the
  training library, one thread);
- `train.csv`: the flights that the model was trained on, in schema order, then `late`.
"""

from __future__ import annotations

import json
import math
import random
import sys
from datetime import date
from pathlib import Path

import lightgbm
import polars as pl
from training.features import NAMES
from training.prepare import prepare, window

from training import source


def main(model: Path, output: Path, count: int) -> None:
    """Write both files. Raises ValueError when the window has fewer flights than `count`."""
    described = json.loads((model / "metadata.json").read_text())
    days = {name: date.fromisoformat(described["hyperparameters"][name]) for name in ("from", "until", "test_until")}
    folder = source.data_folder()
    table = prepare(source.read_flights(folder), source.read_weather(folder))
    train = window(table, days["from"], days["until"])
    train.table.select(*NAMES, pl.col("late").cast(pl.Int8)).write_csv(output / "train.csv")

    held_out = window(table, days["until"], days["test_until"])
    values = {f["name"]: f["values"] for f in described["feature_schema"]["features"] if f["type"] == "category"}
    picked = random.Random(2013).sample(range(held_out.table.height), count)
    matrix = held_out.matrix(values)[picked]
    predictions = lightgbm.Booster(model_file=str(model / "model.txt")).predict(matrix, num_threads=1)
    rows = [
        {
            "instance": held_out.instance(row),
            "codes": [None if math.isnan(number) else number for number in codes],
            "prediction": prediction,
        }
        for row, codes, prediction in zip(picked, matrix.tolist(), predictions.tolist(), strict=True)
    ]
    (output / "rows.json").write_text(json.dumps(rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
