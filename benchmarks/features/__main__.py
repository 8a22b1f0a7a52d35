"""`python -m benchmarks.features`: the feature store beside Feast and pandas, and what it costs a prediction."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.features import offline, online, predict
from benchmarks.figures import Benchmark, Effort, Figure, Tell
from benchmarks.run import run


def _in_a_folder(measure: Callable[[Effort, Path, Tell], Iterator[Figure]]) -> Benchmark:
    def measured(effort: Effort, tell: Tell) -> Iterator[Figure]:
        # A short path: sockets lie in it.
        with tempfile.TemporaryDirectory(prefix="sf-", dir="/tmp", ignore_cleanup_errors=True) as folder:
            yield from measure(effort, Path(folder).resolve(), tell)

    return measured


BENCHMARKS: dict[str, Benchmark] = {
    "GetRecord": _in_a_folder(online.measure),
    "joins": _in_a_folder(offline.measure),
    "predict": _in_a_folder(predict.measure),
}

if __name__ == "__main__":
    sys.exit(run("benchmarks.features", __doc__, BENCHMARKS))
