"""Point-in-time joins: ours, pandas' merge_asof and Feast's file store, in one process, in turns."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.features.online import FEAST, PROGRAMS
from benchmarks.figures import Effort, Figure, Tell
from benchmarks.serving.environments import environment
from benchmarks.throwaway import CHECKOUT
from shipway.core.errors import ShipwayError

_SIZES: dict[Effort, tuple[int, int, int]] = {
    "quick": (2, 200_000, 200_000), "normal": (3, 1_000_000, 200_000), "full": (7, 1_000_000, 500_000),
}  # fmt: skip
"""Rounds; rows, and as many records, in memory; rows and records in files."""
_OURS, _STRICT, _PANDAS = "ours, in memory", "ours, in memory, written before", "merge_asof"
_FILES, _FEAST = "ours, from files", "Feast"


def measure(effort: Effort, folder: Path, tell: Tell) -> Iterator[Figure]:
    """Rows a second of CPU, one thread each."""
    rounds, count, in_files = _SIZES[effort]
    python = environment(FEAST, tell)
    tell(f"joins of {count:,} rows and records in memory, {in_files:,} in files")
    one = dict.fromkeys(("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    source = str(CHECKOUT / "offline-features" / "src")
    variables = {**os.environ, **one, "PYTHONPATH": source, "PYTHONDONTWRITEBYTECODE": "1"}
    words = [str(python), str(PROGRAMS / "joins.py"), str(folder), str(rounds), str(count), str(in_files)]
    done = subprocess.run(words, env=variables, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ShipwayError("the joins could not be measured", state=done.stderr.strip()[-2000:])
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    size = {_FILES: in_files, _FEAST: in_files}
    for name in found[0]:
        rates = tuple(rates[name] for rates in found)
        yield Figure(f"{name}, {size.get(name, count):,} rows and records", rates, "rows/CPU s")
    for title, own, their, budget in (
        ("ours ÷ merge_asof, in memory", _OURS, _PANDAS, 1.5),
        ("… with the cutoff by writing ÷ merge_asof without", _STRICT, _PANDAS, None),
        ("ours ÷ Feast, from files", _FILES, _FEAST, 10.0),
    ):
        ratios = tuple(rates[own] / rates[their] for rates in found)
        yield Figure(title, ratios, "×", budget, at_least=True)
