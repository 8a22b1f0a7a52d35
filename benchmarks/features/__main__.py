"""`python -m benchmarks.features`: the feature store beside Feast and pandas, and what it costs a prediction."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.__main__ import _interrupt, _tell
from benchmarks.__main__ import _machine as machine
from benchmarks.features import offline, online, predict
from benchmarks.figures import Effort, Figure, Tell, table
from shipway.core.errors import ShipwayError

PARTS: dict[str, Callable[[Effort, Path, Tell], Iterator[Figure]]] = {
    "GetRecord": online.measure,
    "joins": offline.measure,
    "predict": predict.measure,
}


def main() -> int:
    """0 when every budget was kept, 1 when one was missed or could not be measured, 2 on a mistake in the options."""
    options = _parse()
    effort: Effort = "quick" if options.quick else "full" if options.full else "normal"
    signal.signal(signal.SIGTERM, _interrupt)
    began, load_before = time.monotonic(), os.getloadavg()[0]
    figures: dict[str, list[Figure]] = {}
    missed: list[str] = []
    folder = Path(tempfile.mkdtemp(prefix="sf-", dir="/tmp")).resolve()
    try:
        for name in options.only or PARTS:
            _tell(f"{name} …")
            (folder / name).mkdir()
            try:
                figures[name] = list(PARTS[name](effort, folder / name, _tell))
            except ShipwayError as error:
                missed.append(f"{name}: could not be measured: {error.what}")
                _tell("\n".join(part for part in (f"✘ {error.what}", error.fix, error.state) if part))
    except KeyboardInterrupt:
        _tell("interrupted")
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    missed += [f"{name}: {figure.what}" for name, found in figures.items() for figure in found if not figure.ok]
    loads = f"load {load_before:.1f} before, {os.getloadavg()[0]:.1f} after"
    heading = f"{machine()}; {loads}; {effort}, {time.monotonic() - began:.0f} s"
    if options.json:
        shown = {name: [figure.as_json() for figure in found] for name, found in figures.items()}
        print(json.dumps({"heading": heading, "figures": shown, "missed": missed}, indent=1))
    else:
        print("\n".join([heading, "", *table(dict(figures))]))
    for line in missed:
        _tell(f"✘ missed: {line}")
    return 1 if missed else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.features", description=__doc__)
    parser.add_argument("--only", action="append", choices=PARTS, metavar="NAME", help=", ".join(PARTS))
    parser.add_argument("--json", action="store_true", help="one JSON object with every sample")
    much = parser.add_mutually_exclusive_group()
    much.add_argument("--quick", action="store_true", help="few samples: does it run, roughly how fast")
    much.add_argument("--full", action="store_true", help="many samples")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
