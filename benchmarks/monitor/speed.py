"""The monitoring program as whole processes, beside Evidently's DataDriftPreset, in turns; and its memory.

Rows a CPU second. Of Evidently imports and the reference's reading are left out; of the program nothing is.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.figures import Effort, Figure, Tell
from benchmarks.serving.environments import environment

HERE = Path(__file__).parent
PROGRAM = HERE.parent.parent / "model-monitoring"
FROM_COLUMNS, FROM_LINES, FROM_HOURS = 50, 5, 50
"""Times Evidently's rows a CPU second."""
MOST_MEMORY, MOST_GROWTH = 300.0, 1.1
"""MB, and times the memory of the fewest rows."""
_TURNS = {"quick": 1, "normal": 3, "full": 5}
_LARGE = {"quick": 4_000_000, "normal": 10_000_000, "full": 100_000_000}
SOME, MANY, FILE = 100_000, 4_000_000, 10_000_000
LINES, HOURS, PEER_LINES = 960_000, 24, 40_000
FEATURES = [
    "carrier",
    "origin",
    "dest",
    "distance",
    "day_of_week",
    "departure_minute",
    "arrival_minute",
    "clock_minutes",
    "temp",
    "dewp",
    "humid",
    "wind_dir",
    "wind_speed",
    "precip",
    "pressure",
    "visib",
    "airport_delay",
    "airport_late_share",
]
_CAPTURED, _PARQUET = '{"sagemakerCaptureJson": {}}', '{"parquet": {}}'


@dataclass(frozen=True)
class Taken:
    """What a run took: CPU and wall seconds, and the most memory, MB."""

    rows: int
    cpu: float
    wall: float
    memory: float = 0.0

    @property
    def rate(self) -> float:
        """Rows a CPU second."""
        return self.rows / self.cpu


def measure(effort: Effort, tell: Tell) -> Iterator[Figure]:
    """Speeds and memory."""
    own = environment(PROGRAM / "requirements.lock", tell)
    peer = environment(HERE / "evidently" / "requirements.txt", tell)
    with tempfile.TemporaryDirectory(prefix="shipway-bench-") as folder:
        bench = _Bench(Path(folder), own, peer)
        tell("making rows")
        bench.prepare()
        taken: dict[str, list[Taken]] = {name: [] for name in ("columns", "peer", "lines", "peer lines", "hours")}
        for turn in range(_TURNS[effort]):
            tell(f"turn {turn + 1} of {_TURNS[effort]}")
            taken["peer"].append(bench.evidently("columns", "some.parquet", "others.parquet"))
            taken["columns"].append(bench.look("many.parquet", _PARQUET))
            taken["peer lines"].append(bench.evidently("lines", "reference.jsonl", "current.jsonl"))
            taken["lines"].append(bench.look("capture", _CAPTURED))
            taken["hours"].append(bench.look("capture", _CAPTURED, kept_hours=str(bench.folder / "hours")))
        yield from _speeds(taken)
        tell(f"memory at {_LARGE[effort]:,} rows")
        yield from _memory(bench.columns_of(1_000_000), bench.columns_of(_LARGE[effort]))


def _speeds(taken: dict[str, list[Taken]]) -> Iterator[Figure]:
    for name, peer, what, budget in (
        ("columns", "peer", "from columns (Parquet, 10)", FROM_COLUMNS),
        ("lines", "peer lines", "from captured lines (18 features, prediction)", FROM_LINES),
        ("hours", "peer lines", "from hours that were summarised", FROM_HOURS),
    ):
        ratios = tuple(own.rate / other.rate for own, other in zip(taken[name], taken[peer], strict=True))
        rows, cpu, wall = taken[name][0].rows, median(t.cpu for t in taken[name]), median(t.wall for t in taken[name])
        note = f"{rows:,} rows in {cpu:.2f} CPU s, {wall:.2f} s"
        yield Figure(f"{what}, × Evidently", ratios, "×", budget, at_least=True, note=note)
        yield Figure(f"{what}, rows a CPU second", tuple(t.rate for t in taken[name]), "rows/s")
        if name != "hours":
            yield Figure("… Evidently's", tuple(t.rate for t in taken[peer]), "rows/s")


def _memory(few: Taken, many: Taken) -> Iterator[Figure]:
    yield Figure(f"memory at {many.rows:,} rows from columns", (many.memory,), "MB", MOST_MEMORY)
    yield Figure("… × that at 1,000,000", (many.memory / few.memory,), "×", MOST_GROWTH)


@dataclass(frozen=True)
class _Bench:
    folder: Path
    own: Path
    peer: Path

    def prepare(self) -> None:
        """Rows, baselines, and hours that are summarised."""
        for name, rows, seed in (("some", SOME, 1), ("others", SOME, 2), ("many", MANY, 3), ("few", 1_000_000, 4)):
            self._material("columns", str(rows), str(seed), str(self.folder / f"{name}.parquet"))
        self._material("lines", str(LINES), str(HOURS), "5", str(self.folder / "capture"))
        for name, seed in (("reference", "6"), ("current", "7")):
            self._material("lines", str(PEER_LINES), "1", seed, str(self.folder / name))
            next((self.folder / name).rglob("*.jsonl")).rename(self.folder / f"{name}.jsonl")
        names = [{"name": name} for name in FEATURES]
        schema = {"features": names, "output": {"name": "prediction"}}
        (self.folder / "schema.json").write_text(json.dumps(schema))
        self._run("baseline-columns", self.folder / "some.parquet", _PARQUET)
        self._run(
            "baseline-lines", self.folder / "capture", _CAPTURED, {"kept_hours": str(self.folder / "hours")} | DAY
        )

    def look(self, source: str, form: str, **more: str) -> Taken:
        """Hold the rows to their baseline."""
        of = self.folder / ("baseline-columns" if form == _PARQUET else "baseline-lines") / "out"
        files = {f"baseline_{name}": str(of / f"{name}.json") for name in ("statistics", "constraints")}
        return self._run("look", self.folder / source, form, files | DAY | more)

    def columns_of(self, rows: int) -> Taken:
        """A look at so many rows: one file, or the same one again and again."""
        source = self.folder / "few.parquet"
        if rows > 1_000_000:
            size = min(rows, FILE)
            self._material("columns", str(size), "8", str(self.folder / "large.parquet"))
            source = self.folder / f"rows-{rows}"
            source.mkdir()
            for number in range(rows // size):
                os.link(self.folder / "large.parquet", source / f"{number}.parquet")
        return self.look(source.name, _PARQUET)

    def evidently(self, *words: str) -> Taken:
        """What Evidently takes, by its own clock."""
        form, *files = words
        command = [
            str(self.peer),
            str(HERE / "evidently" / "peer.py"),
            form,
            *(str(self.folder / one) for one in files),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=900, env=_alone())
        return Taken(**json.loads(done.stdout.splitlines()[-1]))

    def _run(self, name: str, source: Path, form: str, more: dict[str, str] | None = None) -> Taken:
        base = self.folder / name
        variables = _alone() | {
            "PYTHONPATH": str(PROGRAM / "src"), "PYTHONDONTWRITEBYTECODE": "1", "SAGEMAKER_BASE_DIR": str(base),
            "dataset_format": form, "dataset_source": str(source), "output_path": str(base / "out"),
            "feature_schema": str(self.folder / "schema.json"), **(more or {}),
        }  # fmt: skip
        began = perf_counter()
        process = subprocess.Popen([str(self.own), "-m", "model_monitoring"], env=variables, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError((base / "output" / "message").read_text())
        rows = json.loads((base / "out" / "statistics.json").read_bytes())["dataset"]["item_count"]
        return Taken(rows, used.ru_utime + used.ru_stime, perf_counter() - began, used.ru_maxrss / 1024)

    def _material(self, *words: str) -> None:
        subprocess.run([str(self.own), str(HERE / "material.py"), *words], check=True, timeout=900)


DAY = {"start_time": "2026-11-02T00:00:00Z", "end_time": "2026-11-03T00:00:00Z"}


def _alone() -> dict[str, str]:
    """One thread, as both are compared by their work."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **dict.fromkeys(names, "1")}
