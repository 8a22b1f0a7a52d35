"""Fills a bucket with the example's data: `python -m training.seed_bucket --bucket FOLDER`.

BUCKET/flights/2013-01/flights.csv, BUCKET/weather/2013-01/weather.csv and so on: a folder for each table and month, as
new data would arrive. A file that is there already with other bytes is refused, so that nobody's data is lost.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
from pathlib import Path

import polars as pl

from training import source
from training.files import write_atomically
from training.tables import FLIGHTS, TYPES, WEATHER, Table

_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


def main(arguments: list[str] | None = None) -> int:
    """Write the months asked for; 0 when they are there, 2 on wrong arguments or other data in their place."""
    parser = argparse.ArgumentParser(prog="python -m training.seed_bucket", description=__doc__, allow_abbrev=False)
    parser.add_argument("--bucket", type=Path, required=True, help="the bucket's folder, made if it is not there")
    parser.add_argument("--from", dest="begin", type=_month, default="2013-01", help="first month")
    parser.add_argument("--until", dest="end", type=_month, default="2013-12", help="last month")
    parser.add_argument("--format", choices=("csv", "parquet"), default="csv")
    given = parser.parse_args(arguments)
    try:
        months = seed(given.bucket, given.begin, given.end, given.format)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{given.bucket}: flights and weather of {len(months)} months, {months[0]} to {months[-1]}")
    return 0


def seed(bucket: Path, begin: str, end: str, format: str = "csv") -> list[str]:
    """Write the months `begin` to `end`, both included, such as 2013-01; answers them. Raises ValueError."""
    folder = source.data_folder()
    written: set[str] = set()
    for table, data in ((FLIGHTS, source.flights_csv(folder)), (WEATHER, (folder / source.WEATHER).read_bytes())):
        # as texts, so that what arrives is what the distribution says
        rows = pl.read_csv(data, infer_schema=False, null_values="NA")
        rows = rows.with_columns(in_month=pl.col("year") + "-" + pl.col("month").str.zfill(2))
        rows = rows.filter(pl.col("in_month").is_between(pl.lit(begin), pl.lit(end)))
        for (month,), part in rows.group_by("in_month", maintain_order=True):
            _write(bucket / table.name / str(month) / f"{table.name}.{format}", part.drop("in_month"), table)
            written.add(str(month))
    if not written:
        raise ValueError(f"found no month from {begin} to {end}, allowed are 2013-01 to 2013-12")
    return sorted(written)


def _write(path: Path, rows: pl.DataFrame, table: Table) -> None:
    file = io.BytesIO()
    if path.suffix == ".csv":
        rows.write_csv(file, null_value="NA")
    else:
        _typed(rows, table).write_parquet(file)
    if path.exists() and path.read_bytes() != file.getvalue():
        raise ValueError(f"{path} is there with other bytes; remove it, or name another bucket")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, file.getvalue())


def _typed(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    kinds = {column.name: column.kind for column in table.columns}
    times = [name for name in rows.columns if kinds[name] == "time"]
    numbers = {name: TYPES[kinds[name]] for name in rows.columns if kinds[name] in ("number", "whole number")}
    return rows.with_columns(pl.col(times).str.to_datetime("%Y-%m-%dT%H:%M:%SZ")).cast(numbers)  # type: ignore[arg-type]


def _month(text: str) -> str:
    if not _MONTH.fullmatch(text):
        raise argparse.ArgumentTypeError(f"found {text[:60]!r}, allowed is a month such as 2013-01")
    return text


if __name__ == "__main__":
    sys.exit(main())
