"""Measures what was asked for, prints one table, and says by the exit code whether every budget was kept."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from types import FrameType
from typing import Any, NoReturn

import psutil

from benchmarks.figures import Benchmark, Effort, Figure, table
from benchmarks.machine import machine
from shipway.core.errors import ShipwayError

FEW = "few samples: does it run, roughly how fast"


def run(
    command: str, about: str | None, benchmarks: Mapping[str, Benchmark], quick: str = FEW, full: str = "many samples"
) -> int:
    """What the options ask for is measured and printed as one table, or as JSON.

    0 when every budget was kept, 1 when one was missed or could not be measured, 2 on a mistake in the options, 130 when
    interrupted. `quick` and `full` say what these options mean.
    """
    options = _parse(command, about, benchmarks, quick, full)
    effort: Effort = "quick" if options.quick else "full" if options.full else "normal"
    signal.signal(signal.SIGTERM, _interrupt)
    results: dict[str, list[Figure]] = {}
    faults: dict[str, str] = {}
    loads = {"before": os.getloadavg()[0]}
    for name in options.only or benchmarks:
        _tell(f"{name} …  (load {os.getloadavg()[0]:.1f})")
        began = time.monotonic()
        results[name] = []
        try:
            for figure in benchmarks[name](effort, lambda line: _tell(f"  {line}")):
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
        print(f"\n{machine()}; load {loads['before']:.1f} before, {loads['after']:.1f} after; {effort}\n")
        print("\n".join(table({name: figures for name, figures in results.items() if figures})))
    for line in missed:
        _tell(f"✘ missed: {line}")
    if missed and loads["before"] > (psutil.cpu_count() or 1) / 2:
        _tell(
            f"The machine was busy before it began (load {loads['before']:.1f}): counts and ratios hold, seconds do not."
        )
    return 1 if missed else 0


def _parse(
    command: str, about: str | None, benchmarks: Mapping[str, Benchmark], quick: str, full: str
) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {command}", description=about)
    parser.add_argument("--only", action="append", choices=benchmarks, metavar="NAME", help=", ".join(benchmarks))
    parser.add_argument("--json", action="store_true", help="one JSON object with every sample")
    much = parser.add_mutually_exclusive_group()
    much.add_argument("--quick", action="store_true", help=quick)
    much.add_argument("--full", action="store_true", help=full)
    return parser.parse_args()


def _as_json(
    effort: Effort, loads: dict[str, float], results: dict[str, list[Figure]], faults: dict[str, str], missed: list[str]
) -> dict[str, Any]:
    figures = {name: [figure.as_json() for figure in found] for name, found in results.items()}
    return {
        "machine": machine(), "effort": effort, "load": loads, "figures": figures, "faults": faults, "missed": missed,
    }  # fmt: skip


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
