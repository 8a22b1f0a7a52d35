"""Command line: read, prepare, train, evaluate, package. Prints a line for each step and a summary."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import polars as pl

from training import holdout, source
from training.evaluate import by_month, evaluate
from training.fit import SETTINGS, fit
from training.package import MODEL_FILE, metadata, write_model
from training.prepare import Rows, categories, prepare, window

GOLDEN = 20
HYPERPARAMETERS: dict[str, dict[str, Any]] = {
    "from": {"dest": "begin", "type": date.fromisoformat, "default": date(2013, 1, 1)},
    "until": {"type": date.fromisoformat, "default": date(2013, 7, 1), "help": "first day not trained on"},
    "test-until": {"type": date.fromisoformat, "default": date(2013, 8, 1), "help": "first day not tested on"},
    "rounds": {"type": int, "default": 200, "help": "number of trees, 1 to 5000"},
    "learning-rate": {"type": float, "default": SETTINGS["learning_rate"], "help": "above 0, up to 1"},
    "leaves": {"type": int, "default": SETTINGS["num_leaves"], "help": "leaves of a tree, 2 to 1024"},
    "author": {"default": "training"},
}
"""What shapes a model: a command line's options, a container's hyperparameters."""
Write = Callable[[Path, dict[str, bytes], dict[str, Any]], None]
"""Lays the files of a model and its metadata into a folder."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is asked for. Windows are `[begin, end)` and `[end, test_end)` in scheduled days."""

    output: Path
    begin: date
    end: date
    test_end: date
    rounds: int
    author: str
    settings: dict[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 0 when the model was written, 2 on wrong arguments or a window without flights."""
    started = time.monotonic()

    def tell(line: str) -> None:
        print(f"{time.monotonic() - started:5.1f} s  {line}", flush=True)

    try:
        options = parse(arguments)
        folder = source.data_folder()
        table = prepare(source.read_flights(folder), source.read_weather(folder))
        summary = run(options, folder, table, tell)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(summary)
    return 0


class _Parser(argparse.ArgumentParser):
    """Raises ValueError on a mistake, so that the container can hand the message on."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}; see python -m training --help")


def parse(arguments: list[str] | None) -> Options:
    """Options from the command line. Raises ValueError on a mistake."""
    # a hyperparameter of a container is one of these by its whole name
    parser = _Parser(prog="python -m training", description=__doc__, allow_abbrev=False)
    parser.add_argument("--output", type=Path, required=True, help="folder for the model's files")
    for name, settings in HYPERPARAMETERS.items():
        parser.add_argument(f"--{name}", **settings)
    given = parser.parse_args(arguments)
    if not given.begin < given.until < given.test_until:
        parser.error("the days must be in order: --from before --until before --test-until")
    if not 1 <= given.rounds <= 5000:
        parser.error(f"--rounds {given.rounds}: allowed is 1 to 5000")
    if not 0 < given.learning_rate <= 1:
        parser.error(f"--learning-rate {given.learning_rate}: allowed is above 0, up to 1")
    if not 2 <= given.leaves <= 1024:
        parser.error(f"--leaves {given.leaves}: allowed is 2 to 1024")
    settings = {**SETTINGS, "learning_rate": given.learning_rate, "num_leaves": given.leaves}
    return Options(given.output, given.begin, given.until, given.test_until, given.rounds, given.author, settings)


def run(options: Options, folder: Path, table: pl.DataFrame, tell: source.Tell, write: Write = write_model) -> str:
    """Train on the prepared `table` of the data in `folder` and write the model; answers a summary.

    Raises ValueError when a window has too few flights.
    """
    train, test = window(table, options.begin, options.end), window(table, options.end, options.test_end)
    for name, rows in (("train", train), ("test", test)):
        if len(np.unique(rows.labels)) < 2:
            raise ValueError(f"the {name} window has no late or no punctual flights; the data covers 2013")
        tell(
            f"{name}: {rows.labels.size:,} flights, {rows.labels.mean():.1%} late, {rows.unlabelled:,} without arrival"
        )

    values = categories(train)
    booster = fit(train.matrix(values), train.labels, options.rounds, options.settings)
    model = booster.model_to_string().encode()
    tell(f"trained {options.rounds} trees, {len(model) / 1000:,.0f} kB")

    scores = np.asarray(booster.predict(test.matrix(values), num_threads=1), dtype=np.float64)
    months = test.table["day"].dt.month().cast(pl.Int64).to_numpy()
    for month, measured in by_month(months, test.labels, scores).items():
        tell(f"month {month:2}: " + describe(measured))

    metrics = evaluate(test.labels, scores) | {"train_rows": float(train.labels.size)}
    picked = holdout.pick(scores.size)
    files = {MODEL_FILE: model, holdout.HOLDOUT_FILE: holdout.render(test, scores, picked)}
    described = metadata(
        files,
        trained_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        dataset_version=source.dataset_digest(folder, options.begin, options.end),
        author=options.author,
        metrics=metrics,
        hyperparameters=hyperparameters(options),
        values=values,
        golden=golden(test, scores),
        holdout_rows=picked.size,
    )
    write(options.output, files, described)
    return f"wrote {options.output}: {describe(metrics)}"


def describe(measured: dict[str, float]) -> str:
    """One line of metrics."""
    return (
        f"AUC {measured['auc']:.4f}, Brier {measured['brier']:.4f}, log loss {measured['log_loss']:.4f}, "
        f"late {measured['late_rate']:.1%}, predicted {measured['mean_prediction']:.1%}"
    )


def hyperparameters(options: Options) -> dict[str, Any]:
    """What shaped the model, for metadata.json."""
    days = {"from": options.begin, "until": options.end, "test_until": options.test_end}
    return {"rounds": options.rounds, **options.settings, **{name: str(day) for name, day in days.items()}}


def golden(rows: Rows, scores: np.ndarray[Any, np.dtype[np.float64]]) -> list[dict[str, Any]]:
    """Requests spread evenly over the test window, with the predictions any serving must reproduce."""
    picked = np.unique(np.linspace(0, scores.size - 1, GOLDEN).astype(int))
    return [{"instance": rows.instance(row), "prediction": float(scores[row])} for row in picked.tolist()]


if __name__ == "__main__":
    sys.exit(main())
