"""`python -m benchmarks`: what Shipway itself is held to."""

from __future__ import annotations

import sys

from benchmarks import command_line, commit_to_dev, memory, model_swap, rollback, rollouts, router
from benchmarks.figures import Benchmark
from benchmarks.run import FEW, run

BENCHMARKS: dict[str, Benchmark] = {
    "command_line": command_line.measure,
    "router": router.measure,
    "rollback": rollback.measure,
    "rollouts": rollouts.measure,
    "commit_to_dev": commit_to_dev.measure,
    "model_swap": model_swap.measure,
    "memory": memory.measure,
}


if __name__ == "__main__":
    sys.exit(run("benchmarks", __doc__, BENCHMARKS, FEW, "many samples: 100 rollouts in a row"))
