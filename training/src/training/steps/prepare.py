"""Processing job: channels `flights` and `weather` to the rows that a model is trained and tested on.

Leaves output/training/rows.parquet and output/test/rows.parquet (labelled rows) and output/prepared/prepared.json
(windows, counts, the digest of the data). Data that is not what it must be is refused, and nothing is left.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from training import channels, source
from training.container import write_to_the_end
from training.files import write_atomically
from training.parameters import WINDOWS, Parser, windows
from training.prepare import Rows, covered, prepare, window
from training.steps.folders import ROWS_FILE, given, left, rows_file, write_reports


def run(base: Path, options: list[str]) -> None:
    """Raises WrongData for data that is refused, ValueError for wrong options or nothing to learn from."""
    parser = Parser("training.container prepare", __doc__, WINDOWS)
    asked = windows(parser, parser.parse_args(options))
    folders = [given(base, name) for name in ("flights", "weather")]
    places = {name: left(base, name) for name in ("training", "test", "prepared")}

    digest = channels.digest(folders, asked.begin, asked.end, asked.test_end)
    table = prepare(source.flights_channel(folders[0]), source.weather_channel(folders[1]))
    train, test = window(table, asked.begin, asked.end), window(table, asked.end, asked.test_end)
    late = int(train.labels.sum())
    if late in (0, train.labels.size):
        raise ValueError(
            f"{asked.begin} to {asked.end}: found {train.labels.size:,} flights, {late:,} of them late; a model needs "
            f"late and punctual ones; the data covers {covered(table)}"
        )
    if empty := [month for month in months(asked.begin, asked.end) if month not in counts(train)["months"]]:
        raise ValueError(
            f"{empty[0]}: found no flight with a label, needed are some in each month learned from; put its data "
            "into the channel, or begin after it: --from"
        )
    described = {**asked.described(), "dataset_version": digest, "training": counts(train), "test": counts(test)}
    write_to_the_end()
    for name, rows in (("training", train), ("test", test)):
        write_atomically(places[name] / ROWS_FILE, rows_file(rows.table))
    write_reports({places["prepared"] / "prepared.json": described})
    for name in ("training", "test"):
        print(f"{name}: {described[name]}", flush=True)


def months(begin: date, end: date) -> list[str]:
    """The months of the days `[begin, end)`."""
    numbers = range(begin.year * 12 + begin.month - 1, (end.year * 12 + end.month - 1) + (end.day > 1))
    return [f"{number // 12}-{number % 12 + 1:02}" for number in numbers]


def counts(rows: Rows) -> dict[str, Any]:
    """How many flights, by month too: a month that is missing shows."""
    months = rows.table["day"].dt.strftime("%Y-%m").value_counts(sort=False).sort("day")
    return {
        "rows": rows.labels.size,
        "late": int(rows.labels.sum()),
        "unlabelled": rows.unlabelled,
        "months": dict(months.iter_rows()),
    }
