"""Rows and bodies that the tests of several rooms share."""

from __future__ import annotations

import io
import math
from typing import Any

import msgspec
import numpy as np
from hypothesis import strategies as st

from conftest import CHARACTERS, FEATURES
from ml_model_service.formats.encoder import Encoder
from ml_model_service.metadata import FeatureSchema

SCHEMA = msgspec.convert({"features": FEATURES, "output": {"name": "p"}}, FeatureSchema)
ENCODER = Encoder(SCHEMA)

good_rows = st.fixed_dictionaries(
    {
        "airline": st.none() | st.sampled_from(["AA", "B6", "UA"]) | st.text(CHARACTERS, min_size=3),
        "origin": st.sampled_from(["EWR", "JFK"]),
        "temp": st.none() | st.floats(-50, 150) | st.integers(-50, 150),
        "minute": st.floats(0, 1439) | st.integers(0, 1439),
    }
)


def expected(row: dict[str, Any]) -> list[float]:
    """The row's numbers, worked out the plain way."""
    codes = {"AA": 0.0, "B6": 1.0, "UA": 2.0}
    origin = {"EWR": 0.0, "JFK": 1.0}[row["origin"]]
    temp = math.nan if row["temp"] is None else float(row["temp"])
    return [codes.get(row["airline"], math.nan), origin, temp, float(row["minute"])]


def npy(matrix: np.ndarray[Any, Any]) -> bytes:
    """The array as NumPy itself writes it."""
    file = io.BytesIO()
    np.save(file, matrix)
    return file.getvalue()
