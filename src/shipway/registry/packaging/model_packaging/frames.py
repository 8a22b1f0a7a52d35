"""Rows as the libraries take them: a table with named columns, or the inputs of an ONNX graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from model_packaging.schema import Feature, Matrix


def values_frame(features: Sequence[Feature], matrix: Matrix) -> pd.DataFrame:
    """Categories as they are written (object columns), missing as NaN."""
    return pd.DataFrame(
        {
            feature.name: _texts(feature, matrix[:, n], np.nan) if feature.is_category else matrix[:, n]
            for n, feature in enumerate(features)
        }
    )


def codes_frame(features: Sequence[Feature], matrix: Matrix) -> pd.DataFrame:
    """The matrix with the features' names."""
    return pd.DataFrame(matrix, columns=[feature.name for feature in features])


def graph_inputs(features: Sequence[Feature], matrix: Matrix) -> dict[str, Any]:
    """One input of shape (rows, 1) a feature: strings ("" is missing) or single-precision floats (NaN is missing)."""
    return {
        feature.name: _texts(feature, column, "") if feature.is_category else column.astype(np.float32)
        for feature, column in zip(features, (matrix[:, n : n + 1] for n in range(len(features))), strict=True)
    }


def _texts(feature: Feature, codes: Matrix, missing: object) -> Any:
    table = np.array([*feature.values, missing], dtype=object)
    return table[np.where(np.isnan(codes), len(feature.values), codes).astype(np.intp)]
