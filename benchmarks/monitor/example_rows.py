"""The example's flights of 2013 as a table: features, prediction, label and time. Runs in the training's environment.

`python example_rows.py OUTPUT.parquet`, with training/src on the path. The model has learnt from January to June, as the
example's first version has.
"""

from __future__ import annotations

import sys
from datetime import date

import polars as pl
from training.features import NAMES
from training.fit import fit
from training.parameters import HYPERPARAMETERS, Parser, parameters
from training.prepare import categories, prepare, window
from training.trained import Trained

from training import source

BEGIN, HALF, END = date(2013, 1, 1), date(2013, 7, 1), date(2014, 1, 1)


def main(output: str) -> None:
    """Train, predict, write."""
    folder = source.data_folder()
    flights = prepare(source.read_flights(folder), source.read_weather(folder))
    learnt, year = window(flights, BEGIN, HALF), window(flights, BEGIN, END)
    values = categories(learnt)
    parser = Parser("example_rows", __doc__, HYPERPARAMETERS)
    grown = parameters(parser, parser.parse_args([]))
    booster = fit(learnt.matrix(values), learnt.labels, grown.rounds, grown.settings, block=grown.block)
    trained = Trained(booster.model_to_string(), NAMES, values, {})
    year.table.select(*NAMES, pl.col("departure").alias("time")).with_columns(
        pl.Series("prediction", trained.predict(year.table)), pl.Series("label", year.labels.astype(int))
    ).write_parquet(output)


if __name__ == "__main__":
    main(sys.argv[1])
