"""`python -m benchmarks`: measures, prints one table, and says by the exit code whether every budget was kept."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import psutil

from benchmarks import command_line, commit_to_dev, memory, model_swap, rollback, rollouts, router
from benchmarks.figures import Benchmark, Effort, Figure, table
from shipway.core.errors import ShipwayError

BENCHMARKS: dict[str, Benchmark] = {
    "command_line": command_line.measure,
    "router": router.measure,
    "rollback": rollback.measure,
    "rollouts": rollouts.measure,
    "commit_to_dev": commit_to_dev.measure,
    "model_swap": model_swap.measure,
    "memory": memory.measure,
}


def main() -> int:
    """0 when every budget was kept, 1 when one was missed or could not be measured, 2 on a mistake in the options."""
    options = _parse()
    effort: Effort = "quick" if options.quick else "full" if options.full else "normal"
    signal.signal(signal.SIGTERM, _interrupt)
    results: dict[str, list[Figure]] = {}
    faults: dict[str, str] = {}
    loads = {"before": os.getloadavg()[0]}
    for name in options.only or BENCHMARKS:
        _tell(f"{name} …  (load {os.getloadavg()[0]:.1f})")
        began = time.monotonic()
        results[name] = []
        try:
            for figure in BENCHMARKS[name](effort, lambda line: _tell(f"  {line}")):
                results[name].append(figure)
        except ShipwayError as error:
            faults[name] = error.what + (f"\n{error.state}" if error.state else "")
            _tell(f"  ✘ {faults[name]}")
        except KeyboardInterrupt:
            _tell("interrupted")
            return 130
        _tell(f"  {time.monotonic() - began:.0f} s")
    loads["after"] = os.getloadavg()[0]
    missed = [f"{name}: {figure.what}" for name, figures in results.items() for figure in figures if not figure.ok]
    missed += [f"{name}: could not be measured" for name in faults]
    if options.json:
        print(json.dumps(_as_json(effort, loads, results, faults, missed), indent=1))
    else:
        print(f"\n{_machine()}; load {loads['before']:.1f} before, {loads['after']:.1f} after; {effort}\n")
        print("\n".join(table({name: figures for name, figures in results.items() if figures})))
    for line in missed:
        _tell(f"✘ missed: {line}")
    if missed and loads["before"] > (psutil.cpu_count() or 1) / 2:
        _tell(
            f"The machine was busy before it began (load {loads['before']:.1f}): counts and ratios hold, seconds do not."
        )
    return 1 if missed else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=BENCHMARKS, metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--json", action="store_true", help="one JSON object with every sample")
    much = parser.add_mutually_exclusive_group()
    much.add_argument("--quick", action="store_true", help="few samples: does it run, roughly how fast")
    much.add_argument("--full", action="store_true", help="many samples: 100 rollouts in a row")
    return parser.parse_args()


def _as_json(
    effort: Effort, loads: dict[str, float], results: dict[str, list[Figure]], faults: dict[str, str], missed: list[str]
) -> dict[str, Any]:
    figures = {name: [figure.as_json() for figure in found] for name, found in results.items()}
    return {
        "machine": _machine(), "effort": effort, "load": loads, "figures": figures, "faults": faults, "missed": missed,
    }  # fmt: skip


def _machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    cores = psutil.cpu_count() or 0
    return f"{_processor()}, {cores} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
