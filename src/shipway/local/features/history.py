"""Runs the program of the offline store: polars stays in its process and its environment."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shipway.core.description.feature_group import FeatureGroup
from shipway.core.errors import Refused, ShipwayError
from shipway.core.features.join import FeatureJoin
from shipway.core.ports.learning import FeatureHistory
from shipway.core.ports.telling import Tell
from shipway.local.features.online_store import online_file

PROGRAM = "offline-features"
TIMEOUT = 1800.0
_LAST_WORDS = 400

PythonFor = Callable[[Path, Tell], Path]
"""The interpreter of an environment with exactly what a lock file lists, made if needed. Raises ShipwayError."""
Run = Callable[[Sequence[str], Path, Mapping[str, str], float], tuple[int, str]]
"""(words, folder, variables, seconds) → exit code and last output. Raises subprocess.TimeoutExpired, OSError."""


@dataclass(frozen=True)
class ProgramHistory(FeatureHistory):
    """The `FeatureHistory` of one machine: files beside the online store. `programs` holds `offline-features`."""

    state: Path
    programs: Path
    python_for: PythonFor
    run: Run
    timeout: float = TIMEOUT

    def compact(self, environment: str, groups: Mapping[str, FeatureGroup], tell: Tell) -> Mapping[str, int]:
        return dict(self._done({"do": "compact"}, environment, groups, tell)["compacted"])

    def join(
        self, environment: str, groups: Mapping[str, FeatureGroup], asked: FeatureJoin, tell: Tell
    ) -> Mapping[str, int]:
        job = {
            "do": "join",
            "rows": asked.rows,
            "output": asked.output,
            "time": asked.time,
            "wanted": list(asked.keys.items()),
            "written": asked.written,
        }
        return dict(self._done(job, environment, groups, tell)["joined"])

    def _done(
        self, job: Mapping[str, Any], environment: str, groups: Mapping[str, FeatureGroup], tell: Tell
    ) -> dict[str, Any]:
        python = self.python_for(self.programs / PROGRAM / "requirements.lock", tell)
        online = online_file(self.state, environment)
        places = {"online": str(online), "offline": str(online.with_name("offline"))}
        declared = {name: group.model_dump(mode="json") for name, group in groups.items()}
        with tempfile.TemporaryDirectory(prefix="shipway-features-") as folder:
            work = Path(folder)
            (work / "job.json").write_text(json.dumps({**job, **places, "groups": declared}))
            code, printed = self._run(python, work)
            answer = _read(work / "answer.json")
        if answer is None or code not in (0, 1):
            raise ShipwayError(
                f"the program of the offline store ended with {code}: {printed.strip()[-_LAST_WORDS:] or 'silently'}",
                fix="look whether there is room on the disk and in memory (`df -h`, `free -h`), and ask again",
                state="nothing is lost: what is in no file yet is still in the store",
            )
        if "refused" in answer:
            raise Refused(answer["refused"], fix="correct what it names", state="nothing was written")
        return answer

    def _run(self, python: Path, work: Path) -> tuple[int, str]:
        variables = {
            "PATH": f"{python.parent}:{os.defpath}",
            "PYTHONPATH": str(self.programs / PROGRAM / "src"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(work),
            "TMPDIR": str(work),
            "LANG": "C.UTF-8",
            # One thread: this machine serves requests meanwhile.
            "POLARS_MAX_THREADS": "1",
        }
        try:
            return self.run([str(python), "-sP", "-m", "offline_features", str(work)], work, variables, self.timeout)
        except subprocess.TimeoutExpired:
            raise ShipwayError(
                f"the program of the offline store was not done within {self.timeout:.0f} s",
                fix="ask for fewer rows or groups at once",
                state="nothing is lost, and nothing was written",
            ) from None


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return found
