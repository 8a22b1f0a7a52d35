"""The scoring code that the peers share: rows as JSON sends them, to numbers, to ONNX Runtime, one thread."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

MATERIAL = Path(os.environ["BENCHMARK_MATERIAL"])
FEATURES = json.loads((MATERIAL / "model" / "metadata.json").read_text())["feature_schema"]["features"]


class Scorer:
    """The model, loaded."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._run = onnxruntime.InferenceSession(MATERIAL / "model.onnx", options).run
        self._values = itemgetter(*[feature["name"] for feature in FEATURES])
        self._categories = [
            (column, {value: code for code, value in enumerate(feature["values"])})
            for column, feature in enumerate(FEATURES)
            if feature["type"] == "category"
        ]

    def encode(self, instances: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Shape (rows, features): a category as its code, what is missing or unknown as NaN."""
        rows = [list(self._values(instance)) for instance in instances]
        for row in rows:
            for column, codes in self._categories:
                row[column] = codes.get(row[column])
        return np.array(rows, dtype=np.float32)

    def score(self, matrix: np.ndarray) -> list[float]:
        """One probability a row."""
        return self._run(["probabilities"], {"codes": matrix})[0][:, 1].tolist()

    def predict(self, instances: Sequence[Mapping[str, Any]]) -> list[float]:
        """One probability a row."""
        return self.score(self.encode(instances))
