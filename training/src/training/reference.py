"""What the backend needs to build a model row from a request: `python -m training.reference --output FILE`.

The file's shape is described in README.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from ontime_features.observation import WEATHER
from training import source
from training.files import write_atomically
from training.prepare import prepare, window

BEGIN, END = date(2013, 1, 1), date(2013, 7, 1)
# the median of directions around north would point south
TYPICAL_WEATHER = tuple(name for name in WEATHER if name != "wind_dir")
HOURS, MONTHS = range(24), range(1, 13)


def main(arguments: list[str] | None = None) -> int:
    """Write the reference file and say how large it is."""
    parser = argparse.ArgumentParser(prog="python -m training.reference", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="the JSON file to write")
    output: Path = parser.parse_args(arguments).output
    data = render(reference(source.data_folder()))
    output.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(output, data)
    print(f"wrote {output}: {len(data) / 1000:,.0f} kB")
    return 0


def reference(folder: Path) -> dict[str, Any]:
    """The reference, computed from the training period; climate and distances, which nothing changes, from the year."""
    flights, weather = source.read_flights(folder), source.read_weather(folder)
    flown = window(prepare(flights, weather), BEGIN, END).table
    airports = source.read_names(folder, source.AIRPORTS, "faa")
    airlines = source.read_names(folder, source.AIRLINES, "carrier")
    return {
        "carriers": {code: airlines[code] for code in _values(flown, "carrier")},
        # four airports in the Caribbean are missing from the airports file
        "origins": {code: airports.get(code, code) for code in _values(flown, "origin")},
        "destinations": {code: airports.get(code, code) for code in _values(flown, "dest")},
        "routes": routes(flown, flights),
        "weather": {"names": list(TYPICAL_WEATHER), **climate(weather)},
        "airport": airport_delays(flown),
        "source": {"dataset_version": source.dataset_digest(folder, BEGIN, END), "from": str(BEGIN), "until": str(END)},
    }


def routes(flown: pl.DataFrame, flights: pl.DataFrame) -> dict[str, dict[str, int | None]]:
    """`ORIGIN-DEST` → distance as the year's newest flight has it, and median clock minutes `flown` in the period."""
    pair = ["origin", "dest"]
    known = flights.filter(pl.col("dest").is_in(flown["dest"].unique().to_list()))
    distances = known.sort("departure").group_by(pair).agg(pl.col("distance").last().cast(pl.Int64))
    minutes = flown.group_by(pair).agg(pl.col("clock_minutes").median().round().cast(pl.Int64))
    return {
        f"{row['origin']}-{row['dest']}": {name: row[name] for name in ("distance", "clock_minutes")}
        for row in distances.join(minutes, on=pair, how="left").sort(pair).iter_rows(named=True)
    }


def climate(weather: pl.DataFrame) -> dict[str, list[list[list[float | None]]]]:
    """Origin → [month][hour of departure][name], medians of the observations of the hour before."""
    local = pl.datetime("year", "month", "day", "hour") + pl.duration(hours=1)
    cells = (
        weather.with_columns(departure=local)
        .group_by("origin", pl.col("departure").dt.month().alias("month"), pl.col("departure").dt.hour().alias("hour"))
        .agg(pl.col(TYPICAL_WEATHER).median().round(2))
    )
    found = {
        (row["origin"], row["month"], row["hour"]): [row[name] for name in TYPICAL_WEATHER]
        for row in cells.iter_rows(named=True)
    }
    nothing: list[float | None] = [None] * len(TYPICAL_WEATHER)
    return {
        origin: [[found.get((origin, month, hour), nothing) for hour in HOURS] for month in MONTHS]
        for origin in _values(weather, "origin")
    }


def airport_delays(flown: pl.DataFrame) -> dict[str, dict[str, list[float | None]]]:
    """Origin → feature → medians by hour of departure; null where most flights find none before them."""
    names = ("airport_delay", "airport_late_share")
    usual = [pl.when(pl.col(n).count() * 2 > pl.len()).then(pl.col(n).median().round(4)).alias(n) for n in names]
    cells = flown.group_by("origin", pl.col("departure_minute") // 60).agg(usual)
    found = {(row["origin"], row["departure_minute"]): row for row in cells.iter_rows(named=True)}
    return {
        origin: {name: [found.get((origin, hour), {}).get(name) for hour in HOURS] for name in names}
        for origin in _values(flown, "origin")
    }


def render(content: dict[str, Any]) -> bytes:
    """JSON with one line for each top-level key, so that a change reads in a diff; ends with a newline."""
    lines = (f'"{key}": {json.dumps(value, separators=(",", ":"), allow_nan=False)}' for key, value in content.items())
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _values(table: pl.DataFrame, column: str) -> list[str]:
    return table[column].unique().sort().to_list()


if __name__ == "__main__":
    sys.exit(main())
