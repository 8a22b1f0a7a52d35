"""How long reads took, as the online programs tell it: `python PROGRAM FOLDER`, then a number of reads a line on stdin."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable, Mapping

IDS = [f"K{number:04}" for number in range(3000)]
NAMES = [f"f{number}" for number in range(8)]
GROUP = "weather"


def serve(reads: Mapping[str, Callable[[str], object]]) -> None:
    """For each line so many reads of each kind, of ids drawn anew: percentiles of microseconds, by the clock and of CPU."""
    print("ready", flush=True)
    draw = random.Random(2013)
    for line in sys.stdin:
        ids = draw.choices(IDS, k=int(line))
        print(json.dumps({kind: _measured(read, ids) for kind, read in reads.items()}), flush=True)


def _measured(read: Callable[[str], object], ids: list[str]) -> dict[str, float]:
    wall, cpu = [], []
    for id in ids:
        busy, began = time.thread_time_ns(), time.perf_counter_ns()
        read(id)
        wall.append(time.perf_counter_ns() - began)
        cpu.append(time.thread_time_ns() - busy)
    wall.sort()
    cpu.sort()
    last = int(len(ids) * 0.99)
    return {"p50": wall[len(ids) // 2] / 1e3, "p99": wall[last] / 1e3, "cpu p99": cpu[last] / 1e3}
