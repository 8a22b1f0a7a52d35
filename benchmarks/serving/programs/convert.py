"""Runs in an environment of its own: `python convert.py MODEL OUTPUT` writes OUTPUT/model.onnx.

The same trees for ONNX Runtime: one float tensor [rows, features] in, probabilities [rows, 2] out.
"""

from __future__ import annotations

import sys
from pathlib import Path

import lightgbm
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType


def main(model: Path, output: Path) -> None:
    """Convert and write."""
    booster = lightgbm.Booster(model_file=str(model / "model.txt"))
    inputs = [("codes", FloatTensorType([None, booster.num_feature()]))]
    converted = convert_lightgbm(booster, initial_types=inputs, zipmap=False)
    (output / "model.onnx").write_bytes(converted.SerializeToString())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
