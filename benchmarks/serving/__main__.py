"""`python -m benchmarks.serving`: the model service beside its peers; the exit code says whether every budget was kept."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import NoReturn

from benchmarks.figures import Effort, Figure, table
from benchmarks.machine import machine
from benchmarks.serving import budgets, end_to_end, report
from benchmarks.serving.cells import MANY_ROWS, ONE_ROW, Plan
from benchmarks.serving.contestants import CONTESTANTS, OURS, captures
from benchmarks.serving.load import need_wrk
from benchmarks.serving.material import make
from benchmarks.serving.profile import profile
from benchmarks.serving.rounds import Results, Seating
from shipway.core.errors import ShipwayError

END_TO_END = "end_to_end"
_PLANS: dict[Effort, Plan] = {"normal": Plan(5, 2, 3), "quick": Plan(2, 1, 1)}


@dataclass(slots=True)
class Run:
    """What a run brought: figures by part, faults by part, the profiles of what missed its budget."""

    results: Results = field(default_factory=Results)
    figures: dict[str, list[Figure]] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    profiles: dict[str, list[str]] = field(default_factory=dict)

    def missed(self) -> list[str]:
        """Every budget that was not kept, and everything that could not be measured."""
        lines = [f"{part}: {figure.what}" for part, found in self.figures.items() for figure in found if not figure.ok]
        faults = self.results.faults | self.faults
        return lines + [f"{name}: could not be measured: {what.splitlines()[0]}" for name, what in faults.items()]


def main() -> int:
    """0 when every budget was kept, 1 when one was missed or could not be measured, 2 on a mistake in the options."""
    options = _parse()
    effort: Effort = "quick" if options.quick else "normal"
    signal.signal(signal.SIGTERM, _interrupt)
    began, load_before = time.monotonic(), os.getloadavg()[0]
    run = Run()
    wanted = options.only or [*CONTESTANTS, END_TO_END]
    # Short, since servers put sockets into it, whose paths may not be long.
    folder = Path(tempfile.mkdtemp(prefix="sb-", dir="/tmp")).resolve()
    try:
        need_wrk()
        names = [name for name in CONTESTANTS if name in wanted or name == OURS]
        if set(wanted) != {END_TO_END}:
            _predict(names, folder, _PLANS[effort], run, profiling=options.profile)
        if END_TO_END in wanted:
            _end_to_end(effort, folder, run)
    except ShipwayError as error:
        _tell(f"✘ {error.what}" + (f"\n{error.fix}" if error.fix else "") + (f"\n{error.state}" if error.state else ""))
        run.faults["benchmarks.serving"] = error.what
    except KeyboardInterrupt:
        _tell("interrupted")
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    heading = (
        f"{machine()}; load {load_before:.1f} before, {os.getloadavg()[0]:.1f} after; {effort}, "
        f"{time.monotonic() - began:.0f} s"
    )
    print(json.dumps(_as_json(run, heading), indent=1) if options.json else _as_text(run, heading))
    for line in run.missed():
        _tell(f"✘ missed: {line}")
    return 1 if run.missed() else 0


def _predict(names: Sequence[str], folder: Path, plan: Plan, run: Run, *, profiling: bool) -> None:
    """Everyone in the seating of the quiet ones, then each other one with ours; then what missed its budget, profiled."""
    material_folder = folder / "material"
    material_folder.mkdir()
    material = make(material_folder, _tell)
    quiet = [name for name in names if CONTESTANTS[name].quiet]
    loud = [name for name in names if not CONTESTANTS[name].quiet]
    seatings = ([quiet] if len(quiet) > 1 or not loud else []) + [[OURS, name] for name in loud]
    captured = 0
    for number, seating in enumerate(seatings):
        own = folder / str(number)
        _tell(f"seating {number + 1} of {len(seatings)}: {', '.join(seating)}")
        Seating(seating, own, material, run.results, _tell).measure(plan)
        captured += budgets.lines_in(captures(own / OURS))
        shutil.rmtree(own)
    run.figures["/predict, 1 row"] = list(budgets.one_row(run.results))
    run.figures["/predict, 1,000 rows"] = list(budgets.many_rows(run.results))
    run.figures["what our service did beside answering"] = list(budgets.conditions(run.results, captured))
    for part, cell in (("/predict, 1 row", ONE_ROW), ("/predict, 1,000 rows", MANY_ROWS)):
        if profiling or any(not figure.ok for figure in run.figures[part]):
            _tell(f"{part}: profiling")
            try:
                run.profiles[part] = profile(cell, folder / f"profile-{cell.rows}", material, _tell)
            except (ShipwayError, OSError) as error:
                # what was measured counts, whether the profiler works or not
                run.profiles[part] = [f"not profiled: {error}"]


def _end_to_end(effort: Effort, folder: Path, run: Run) -> None:
    _tell("/api/predict")
    try:
        run.figures["/api/predict"] = list(end_to_end.measure(effort, folder / END_TO_END, _tell))
    except ShipwayError as error:
        run.faults["/api/predict"] = error.what
        _tell("\n".join(part for part in (f"✘ {error.what}", error.fix, error.state) if part))


def _as_text(run: Run, heading: str) -> str:
    lines = [heading, ""]
    figures: dict[str, Sequence[Figure]] = {part: found for part, found in run.figures.items() if found}
    if figures:
        lines += [*table(figures), ""]
    if run.results.rounds:
        lines += [*report.ratios(run.results), "", *report.cells(run.results)]
    if run.results.idle:
        idle = ", ".join(f"{name} {share:.1%}" for name, share in run.results.idle.items())
        lines += [f"Of a core, unasked: {idle}", ""]
    for part, profiled in run.profiles.items():
        lines += [f"{part}, where our service's time goes (under a profiler):", *profiled, ""]
    return "\n".join(lines)


def _as_json(run: Run, heading: str) -> dict[str, object]:
    return {
        "about": heading,
        "figures": {part: [figure.as_json() for figure in found] for part, found in run.figures.items()},
        "predict": report.as_json(run.results),
        "faults": run.faults,
        "profiles": run.profiles,
        "missed": run.missed(),
    }


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    names = [*(name for name in CONTESTANTS if name != OURS), END_TO_END]
    parser.add_argument("--only", action="append", choices=names, metavar="PEER", help=", ".join(names))
    parser.add_argument("--quick", action="store_true", help="few and short rounds: does it run, roughly how fast")
    parser.add_argument("--profile", action="store_true", help="profile our service also where no budget was missed")
    parser.add_argument("--json", action="store_true", help="one JSON object with every sample")
    return parser.parse_args()


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
