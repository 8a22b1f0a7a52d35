"""How long the command line takes, as whole processes, beside an interpreter that does nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from benchmarks.figures import Effort, Figure, Tell
from benchmarks.throwaway import hello

HELP, STATUS = 0.2, 0.3
_RUNS = {"quick": 15, "normal": 25, "full": 51}


def measure(effort: Effort, tell: Tell) -> Iterator[Figure]:
    """`shipway --help` and, against a daemon that serves the hello app, `shipway status`."""
    with hello() as app:
        tell("hello app up; measuring")
        shipway = str(Path(sys.executable).parent / "shipway")
        commands = {
            "nothing": [sys.executable, "-c", "pass"],
            "help": [shipway, "--help"],
            "status": [shipway, "status"],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        # In turns, so that what else the machine does meets all of them alike. The first round only warms up.
        for turn in range(_RUNS[effort] + 1):
            for name, words in commands.items():
                seconds = _seconds(words, app.stage.app)
                if turn:
                    times[name].append(seconds)
    nothing = median(times["nothing"])
    yield Figure("`python -c pass`", tuple(times["nothing"]), "s")
    for name, budget in (("help", HELP), ("status", STATUS)):
        what = " ".join(["shipway", *commands[name][1:]])
        note = f"{median(times[name]) / nothing:.1f} × `python -c pass`"
        yield Figure(what, tuple(times[name]), "s", budget, note=note)


def _seconds(words: Sequence[str], folder: Path) -> float:
    began = time.perf_counter()
    subprocess.run(words, cwd=folder, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
    return time.perf_counter() - began
