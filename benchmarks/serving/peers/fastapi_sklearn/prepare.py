"""Trains this peer's own pipeline on the rows that the served model was trained on; as many trees, as many leaves."""

from __future__ import annotations

import os
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

CATEGORIES = ["carrier", "origin", "dest"]


def main() -> None:
    """Write pipeline.joblib beside train.csv."""
    material = Path(os.environ["BENCHMARK_MATERIAL"])
    table = pd.read_csv(material / "train.csv")
    labels = table.pop("late")
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    encode = ColumnTransformer([("codes", codes, CATEGORIES)], remainder="passthrough")
    classifier = HistGradientBoostingClassifier(
        max_iter=200, learning_rate=0.03, max_leaf_nodes=31, min_samples_leaf=200, early_stopping=False,
        categorical_features=list(range(len(CATEGORIES))), random_state=2013,
    )  # fmt: skip
    joblib.dump(make_pipeline(encode, classifier).fit(table, labels), material / "pipeline.joblib")


if __name__ == "__main__":
    main()
