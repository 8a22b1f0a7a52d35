"""False alarms on the example's own half year: windows drawn by row, and blocks of days that the baseline lacks."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Effort, Figure, Tell
from benchmarks.serving.environments import cache_folder, environment

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
MOST = 5.0
"""Percent of windows, as the baseline is asked for."""
_WINDOWS = {"quick": 40, "normal": 200, "full": 200}


def measure(effort: Effort, tell: Tell) -> Iterator[Figure]:
    """Shares of windows with an alarm. By block what does not count is told only: weather of half a year is no null."""
    own = environment(ROOT / "model-monitoring" / "requirements.lock", tell)
    rows = _rows(tell)
    tell(f"{_WINDOWS[effort]} windows of each kind")
    found = json.loads(_run(own, "model-monitoring", [str(HERE / "null_windows.py"), str(rows), str(_WINDOWS[effort])]))
    for kind, by_what in found.items():
        for what, alarmed in by_what.items():
            share = 100 * sum(alarmed) / len(alarmed)
            is_held = what == ("a column that counts" if "counting" in kind else "any column")
            yield Figure(
                f"{kind}: {what} alarms", (share,), "%", MOST if is_held else None, note=f"{len(alarmed)} windows"
            )


def _rows(tell: Tell) -> Path:
    path = cache_folder() / "example-2013.parquet"
    if not path.exists():
        tell("training the example's model (once)")
        training = environment(ROOT / "training" / "requirements.lock", tell)
        new = path.with_suffix(".new")
        _run(training, "training", [str(HERE / "example_rows.py"), str(new)])
        new.replace(path)
    return path


def _run(python: Path, part: str, words: list[str]) -> str:
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / part / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [str(python), *words], env=variables, stdout=subprocess.PIPE, text=True, check=True, timeout=3600
    )
    return done.stdout
