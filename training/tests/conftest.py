"""The real data, read once."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import configuration, settings

from training import source
from training.prepare import prepare

# the folder under test may be read-only
configuration.set_hypothesis_home_dir(Path(tempfile.gettempdir()) / f"hypothesis-training-{os.getuid()}")
settings.register_profile("training", database=None, deadline=None)
settings.load_profile("training")


@pytest.fixture(scope="session")
def flights() -> pl.DataFrame:
    """All flights of 2013."""
    return source.read_flights(source.data_folder())


@pytest.fixture(scope="session")
def weather() -> pl.DataFrame:
    """All weather observations of 2013."""
    return source.read_weather(source.data_folder())


@pytest.fixture(scope="session")
def table(flights: pl.DataFrame, weather: pl.DataFrame) -> pl.DataFrame:
    """All flights with their features."""
    return prepare(flights, weather)
