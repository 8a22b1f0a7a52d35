"""Carries a step out on a disk of few pages, with one page more at each attempt: a process in namespaces of its own.

`unshare --user --map-root-user --mount python -m tests.local.training.full_disk FOLDER`: FOLDER gets a small disk of its
own, which nobody else sees. Prints how many attempts failed for want of room, and the outputs' digests.
"""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

from shipway.core.errors import ShipwayError
from shipway.core.training.steps import StepDone
from shipway.local.training.layout import results
from tests.local.training.test_steps import Bench, silently

_PAGE, _PAGES = 4096, 160
"""More than all that one step writes, with its inputs."""


def main(folder: Path) -> None:
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={_PAGE * _PAGES}", "tmpfs", str(folder)], check=True, capture_output=True
    )
    bench = Bench(folder)
    (folder / "steps").mkdir()
    ballast = folder / "ballast"
    fill(ballast)
    failed, done = 0, None
    while done is None:
        try:
            done = bench.steps.run(bench.order(), silently)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            failed += 1
        except ShipwayError as error:
            if "the disk is full" not in error.what:
                raise
            failed += 1
        believed(folder, done)
        if done is None:
            with ballast.open("r+b") as file:
                file.truncate(ballast.stat().st_size - _PAGE)
    again = bench.steps.run(bench.order(), silently)
    print(json.dumps({"failed": failed, "outputs": dict(done.outputs), "reused": again.reused}))


def fill(ballast: Path) -> None:
    """Leave no room at all."""
    with ballast.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(_PAGE))
            except OSError:
                return


def believed(folder: Path, done: StepDone | None) -> None:
    """A done.json is there for a whole result alone."""
    for path in (folder / "steps").glob("*/done.json"):
        assert done is not None, path
        assert json.loads(path.read_bytes())["outputs"] == results(path.parent / "ml")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
