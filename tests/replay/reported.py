"""What the platform reports of a replay, handed to a program of its own that computes all of it once more."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from shipway.demo.sandbox import Stage, daemon_of
from shipway.local.builds.python_environment import PythonEnvironments

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "training" / "requirements.lock"
TIMEOUT = 900.0
LIMITS = ("min_improvement", "max_calibration_error", "max_calibration_increase")
"""Of the gate, those that are computed once more; percents in points."""


def compare(stage: Stage, found: Mapping[str, Any], tell: Callable[[str], None]) -> list[str]:
    """Tell each figure beside the one that is found anew; answers those that are not the same."""
    environments = PythonEnvironments(ROOT / ".shipway" / "environments")
    made = environments.ensure(LOCK.read_bytes(), "training", tell)
    done = subprocess.run(
        [f"{made.path}/bin/python", "-m", "tests.replay.recomputed"],
        input=json.dumps(_reported(stage, found)), stdout=subprocess.PIPE, cwd=ROOT, text=True, timeout=TIMEOUT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}, check=False,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    for line in lines:
        tell(line)
    if done.returncode not in (0, 1):
        return [f"what was reported could not be computed once more: the program ended with {done.returncode}"]
    return [line.removeprefix("✘ ") for line in lines if line.startswith("✘")]


def _reported(stage: Stage, found: Mapping[str, Any]) -> dict[str, Any]:
    state = Path(daemon_of(stage.app).state)
    environment = found["environment"]
    (database,) = state.glob(f"data/{environment}/backend-api/ontime.db")
    training = stage.description["model"]["training"]
    return {
        "state": str(state),
        "database": str(database),
        "endpoint": f"{stage.description['app']}-{environment}",
        "limits": {name: float(str(training["gate"][name]).rstrip("%")) for name in LIMITS},
        "months": found["months"],
        "trainings": [*_trainings(stage, found)],
        "probations": [*_probations(stage, found)],
    }


def _trainings(stage: Stage, found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Those that came as far as the gate."""
    for month in found["months"]:
        if month["training"] is not None:
            shown = stage.shipway("train", "show", month["training"]).answer()
            if shown["training"]["decision"] is not None:
                yield shown


def _probations(stage: Stage, found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Those that labels have ended."""
    for month in found["months"]:
        if month["promoted"]:
            shown = stage.shipway("model", "show", month["version"]).answer()
            yield from (trial for trial in shown["probations"] if trial["found"] is not None and trial["ended"])
