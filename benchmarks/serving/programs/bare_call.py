"""Runs in the model service's environment: the model call alone, LightGBM's own, one thread, no HTTP, no JSON.

`python bare_call.py MATERIAL ROWS`; then each line on standard input is a number of seconds to call for, and is
answered by a line of JSON: calls, the median and the 99th percentile of their seconds, and CPU seconds a call.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import lightgbm
import numpy as np


def main(material: Path, count: int) -> None:
    """Answer until standard input ends."""
    booster = lightgbm.Booster(model_file=str(material / "model" / "model.txt"))
    rows = json.loads((material / "rows.json").read_text())
    codes = np.array([row["codes"] for row in rows], dtype=np.float64)
    matrices = [codes[start : start + count] for start in range(0, len(codes) - count + 1, count)]
    for line in sys.stdin:
        print(json.dumps(measure(booster, matrices, float(line))), flush=True)


def measure(booster: lightgbm.Booster, matrices: list[np.ndarray], seconds: float) -> dict[str, float]:
    """Call for this long, taking turns through the matrices of shape (rows, features)."""
    taken: list[float] = []
    cpu, deadline = time.process_time(), time.perf_counter() + seconds
    while (began := time.perf_counter()) < deadline:
        booster.predict(matrices[len(taken) % len(matrices)], num_threads=1)
        taken.append(time.perf_counter() - began)
    cpu = time.process_time() - cpu
    p50, p99 = np.percentile(taken, [50, 99]).tolist()
    return {"calls": len(taken), "p50": p50, "p99": p99, "cpu": cpu / len(taken)}


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
