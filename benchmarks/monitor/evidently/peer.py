"""Evidently's DataDriftPreset over two Parquet files, or over two files of captured lines decoded by `json.loads`.

Runs in an environment of its own: `python peer.py columns|lines REFERENCE CURRENT`. Prints what it took as JSON, without
imports and without reading the reference, but with decoding and drift.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset


def from_lines(path: str) -> pd.DataFrame:
    """One row a line, as everybody reads them."""
    rows = []
    with Path(path).open() as file:
        for line in file:
            captured = json.loads(line)["captureData"]
            row = json.loads(captured["endpointInput"]["data"])["instances"][0]
            row["prediction"] = json.loads(captured["endpointOutput"]["data"])["predictions"][0]
            rows.append(row)
    return pd.DataFrame(rows)


def main(form: str, reference: str, current: str) -> None:
    """Measure one report."""
    read = pd.read_parquet if form == "columns" else from_lines
    before = read(reference)
    texts = [name for name in before.columns if not pd.api.types.is_numeric_dtype(before[name])]
    numbers = [name for name in before.columns if name not in texts]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=texts)
    wall, cpu = time.perf_counter(), time.process_time()
    now = read(current)
    datasets = [Dataset.from_pandas(frame, data_definition=definition) for frame in (now, before)]
    result = Report([DataDriftPreset()]).run(*datasets).dict()
    taken = {"rows": len(now), "cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    assert len(result["metrics"]) > len(before.columns), "not every column was compared"
    print(json.dumps(taken))


if __name__ == "__main__":
    main(*sys.argv[1:])
