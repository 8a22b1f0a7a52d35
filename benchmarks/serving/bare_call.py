"""The model call alone, as one more visitor of the rounds: what is left of it through HTTP and JSON is a budget."""

from __future__ import annotations

import json
import subprocess

from benchmarks.figures import Tell
from benchmarks.serving.contestants import OWN
from benchmarks.serving.environments import environment
from benchmarks.serving.load import Sample
from benchmarks.serving.material import HERE, Material
from benchmarks.serving.servers import clean_environment
from shipway.core.errors import ShipwayError

BARE = "bare_call"


class BareCall:
    """A process that predicts the same rows over and over, when told to."""

    def __init__(self, material: Material, rows: int, tell: Tell) -> None:
        python = environment(OWN / "requirements.lock", tell)
        program = HERE / "programs" / "bare_call.py"
        self._process = subprocess.Popen(
            [str(python), str(program), str(material.folder), str(rows)], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env=clean_environment(material.folder, python), start_new_session=True,
        )  # fmt: skip

    def measure(self, seconds: int) -> Sample:
        """Call for this long. Raises ShipwayError when the process died."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(f"{seconds}\n")
            self._process.stdin.flush()
            found = json.loads(self._process.stdout.readline())
        except (OSError, ValueError) as error:
            raise ShipwayError("the process that calls the bare model died; its reason is above") from error
        return Sample(found["calls"], 1 / found["p50"], found["p50"], found["p99"], found["cpu"])

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate(timeout=10)
