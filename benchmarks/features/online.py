"""`GetRecord`: Shipway's online file and Feast's SQLite store, in processes of their own, in turns."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.features.programs.reads import IDS, NAMES
from benchmarks.figures import Effort, Figure, Tell
from benchmarks.serving.environments import environment
from benchmarks.throwaway import CHECKOUT
from shipway.core.errors import ShipwayError
from shipway.core.features.record import Record
from shipway.local.features.online_store import OnlineStore, online_file

HERE = Path(__file__).parent
PROGRAMS = HERE / "programs"
FEAST = HERE / "peers" / "feast" / "requirements.txt"
TIMES = 5.0
_ROUNDS: dict[Effort, int] = {"quick": 3, "normal": 7, "full": 15}
_READS = 3000
_AT = 1_372_935_600.0

Reads = dict[str, dict[str, float]]


def measure(effort: Effort, folder: Path, tell: Tell) -> Iterator[Figure]:
    """Percentiles of rounds that take turns; ratios are of one round."""
    ours_python = environment(CHECKOUT / "backend-api" / "requirements.lock", tell)
    theirs_python = environment(FEAST, tell)
    file, theirs_folder = _filled(folder / "state"), folder / "feast"
    theirs_folder.mkdir()
    with ExitStack() as stack:
        ours = stack.enter_context(_program(ours_python, "own_reads.py", str(file)))
        theirs = stack.enter_context(_program(theirs_python, "feast_reads.py", str(theirs_folder)))
        rounds = [(_asked(ours), _asked(theirs)) for _ in range(_ROUNDS[effort] + 1)][1:]
    tell(f"GetRecord: {rounds[-1]}")
    for who, number in (("ours", 0), ("Feast", 1)):
        for kind in rounds[0][number]:
            for what in ("p50", "p99", "cpu p99"):
                yield Figure(f"{who}, {kind}: {what}", tuple(both[number][kind][what] for both in rounds), "µs")
    for their, own in (("online_read", "one record"), ("get_online_features", "a prediction's two records")):
        for what in ("p99", "cpu p99"):
            ratios = tuple(both[1][their][what] / both[0][own][what] for both in rounds)
            # Of CPU: on a machine that does other things the clock's last percent is the scheduler's.
            budget = TIMES if their == "online_read" and what == "cpu p99" else None
            yield Figure(f"Feast's {their} ÷ ours, {own}: {what}", ratios, "×", budget, at_least=True)


def _filled(state: Path) -> Path:
    """The online file, written by the platform's own store: two groups, so that a prediction finds both its records."""
    store = OnlineStore(state)
    departures = " ".join(f"2013-07-04T{7 + n // 60:02}:{n % 60:02},{n % 40 - 5}" for n in range(0, 240, 3))
    for number, id in enumerate(IDS):
        weather = {"airport": id, "at": str(_AT), "hour": "2013-07-04T07:00"}
        weather |= {name: str(number + place + 0.5) for place, name in enumerate(NAMES)}
        airport = {"airport": id, "at": str(_AT), "departures": departures}
        store.put("dev", [Record("weather", id, _AT, weather), Record("airport", id, _AT, airport)])
    return online_file(state, "dev")


@contextmanager
def _program(python: Path, name: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A program that is ready to be asked. Raises ShipwayError where it is not."""
    paths = (PROGRAMS, CHECKOUT / "backend-api" / "src")
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        [str(python), str(PROGRAMS / name), *words],
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        _line(process, "ready")
        yield process
    finally:
        process.kill()
        process.communicate()


def _asked(process: subprocess.Popen[str]) -> Reads:
    assert process.stdin is not None
    process.stdin.write(f"{_READS}\n")
    process.stdin.flush()
    found: Reads = json.loads(_line(process, "{"))
    return found


def _line(process: subprocess.Popen[str], begins: str) -> str:
    """The next line that begins so: a library may print others before. Raises ShipwayError when there is none."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(begins):
            return line
    raise ShipwayError(f"{process.args!r} ended with {process.wait()}; what it said stands above")
