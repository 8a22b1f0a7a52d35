"""How long the command line takes, as whole processes, beside an interpreter that does nothing."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from statistics import median

import psutil

from benchmarks.figures import Effort, Figure, Tell
from benchmarks.learning_records import fill
from benchmarks.throwaway import Hello, hello
from shipway.core.errors import ShipwayError
from shipway.demo.sandbox import daemon_of

HELP, ANSWER = 0.2, 0.3
_RUNS = {"quick": 15, "normal": 25, "full": 51}


def measure(effort: Effort, tell: Tell) -> Iterator[Figure]:
    """`shipway --help`, and what a daemon answers: of the hello app, and of a year of learning in its records."""
    with hello() as app:
        tell("hello app up; measuring")
        shipway = str(Path(sys.executable).parent / "shipway")
        commands = {"nothing": [sys.executable, "-c", "pass"], "--help": [shipway, "--help"]}
        commands |= {name: [shipway, *words] for name, words in _asked(app).items()}
        times: dict[str, list[float]] = {name: [] for name in commands}
        cpu: dict[str, list[float]] = {name: [] for name in commands}
        daemon = psutil.Process(daemon_of(app.stage.app).process())
        # In turns, so that what else the machine does meets all of them alike. The first round only warms up.
        for turn in range(_RUNS[effort] + 1):
            for name, words in commands.items():
                seconds, used = _seconds(words, app.stage.app, daemon)
                if turn:
                    times[name].append(seconds)
                    cpu[name].append(used)
    nothing = median(times["nothing"])
    yield Figure("`python -c pass`", tuple(times["nothing"]), "s")
    for name in list(commands)[1:]:
        note = (
            f"{median(times[name]) / nothing:.1f} × `python -c pass`; CPU with the daemon's {median(cpu[name]):.3f} s"
        )
        yield Figure(f"`shipway {name}`", tuple(times[name]), "s", HELP if name == "--help" else ANSWER, note=note)


def _asked(app: Hello) -> dict[str, list[str]]:
    """What is asked of the daemon, by name."""
    training, moment = fill(app.stage.app / ".shipway", "prod")
    at = datetime.fromtimestamp(moment).astimezone().isoformat()
    return {
        "status": ["status"],
        "train show": ["train", "show", training],
        "model history": ["model", "history"],
        "model history --at": ["model", "history", "--at", at],
        "monitor report": ["monitor", "report", "prod"],
    }


def _seconds(words: Sequence[str], folder: Path, daemon: psutil.Process) -> tuple[float, float]:
    """Of a command: seconds that passed, and seconds of CPU, what the daemon did meanwhile included."""
    before, children = daemon.cpu_times(), resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    # Compiled modules are kept, as an installation has them, whatever is set here.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    # 1 is how `monitor report` says that the model's traffic drifts.
    done = subprocess.run(
        words, cwd=folder, env=env, capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False
    )
    seconds = time.perf_counter() - began
    if done.returncode not in (0, 1) or done.stderr:
        raise ShipwayError(f"{' '.join(words)} ended with {done.returncode}: {done.stderr.decode()[-500:]}")
    after, now = daemon.cpu_times(), resource.getrusage(resource.RUSAGE_CHILDREN)
    used = now.ru_utime + now.ru_stime - children.ru_utime - children.ru_stime
    return seconds, used + after.user + after.system - before.user - before.system
