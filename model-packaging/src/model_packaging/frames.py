"""Rows as the libraries take them: tables with named columns."""

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


def _texts(feature: Feature, codes: Matrix, missing: object) -> Any:
    table = np.array([*feature.values, missing], dtype=object)
    return table[np.where(np.isnan(codes), len(feature.values), codes).astype(np.intp)]
