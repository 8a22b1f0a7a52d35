"""`python -m benchmarks.monitor`: speed and memory beside Evidently, and false alarms, in one run."""

from __future__ import annotations

import argparse
import sys

from benchmarks.figures import Benchmark, Effort, Figure, table
from benchmarks.monitor import false_alarms, speed

PARTS: dict[str, Benchmark] = {"speed": speed.measure, "false alarms": false_alarms.measure}


def main() -> int:
    """1 where a budget was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monitor", description=__doc__)
    parser.add_argument("--only", choices=[name.replace(" ", "-") for name in PARTS])
    much = parser.add_mutually_exclusive_group()
    much.add_argument("--quick", action="store_true", help="one turn, 4 million rows, 40 windows")
    much.add_argument("--full", action="store_true", help="five turns, 100 million rows, 200 windows")
    given = parser.parse_args()
    effort: Effort = "quick" if given.quick else "full" if given.full else "normal"
    results: dict[str, list[Figure]] = {}
    for name, measure in PARTS.items():
        if given.only in (None, name.replace(" ", "-")):
            results[name] = [*measure(effort, lambda line: print(line, file=sys.stderr, flush=True))]
    print("\n".join(table({**results})))
    return 0 if all(figure.ok for figures in results.values() for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
