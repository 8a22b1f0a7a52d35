"""`python -m benchmarks.monitor`: speed and memory beside Evidently, and false alarms, in one run."""

from __future__ import annotations

import sys

from benchmarks.figures import Benchmark
from benchmarks.monitor import false_alarms, speed
from benchmarks.run import run

BENCHMARKS: dict[str, Benchmark] = {"speed": speed.measure, "false-alarms": false_alarms.measure}

if __name__ == "__main__":
    quick, full = "one turn, 4 million rows, 40 windows", "five turns, 100 million rows, 200 windows"
    sys.exit(run("benchmarks.monitor", __doc__, BENCHMARKS, quick, full))
