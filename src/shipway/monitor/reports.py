"""Runs the program that makes pages of reports, in the environment of the one that watches models."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shipway.core.errors import Refused, ShipwayError
from shipway.core.ports.learning import ReportKind, Reports
from shipway.core.ports.telling import Tell
from shipway.core.views.learning import Report

PROGRAM = "model-monitoring"
TIMEOUT = 120.0
_LAST_WORDS = 400

PythonFor = Callable[[Path, Tell], Path]
Run = Callable[[Sequence[str], Path, Mapping[str, str], float], tuple[int, str]]
"""(words, folder, variables, seconds) → exit code and last output. Raises subprocess.TimeoutExpired, OSError."""


@dataclass(frozen=True)
class ProgramReports(Reports):
    """`programs` holds `model-monitoring`."""

    python_for: PythonFor
    programs: Path
    run: Run
    timeout: float = TIMEOUT

    def page(self, kind: ReportKind, files: Mapping[str, Mapping[str, Any]], tell: Tell) -> Report:
        python = self.python_for(self.programs / PROGRAM / "requirements.lock", tell)
        with tempfile.TemporaryDirectory(prefix="shipway-report-") as folder:
            work = Path(folder)
            for name, content in files.items():
                (work / name).write_text(json.dumps(content))
            code, printed = self._run(python, work, [kind, next(iter(files)), "page.html", "page.json"])
            if code == 0:
                return Report(json.loads((work / "page.json").read_bytes()), (work / "page.html").read_text("utf-8"))
        said = printed.strip()[-_LAST_WORDS:]
        if code == 1 and "can't be shown as" in said:
            raise Refused(
                f"no page was made: {said}",
                fix="correct the training's program, whose files these are",
                state="nothing changed",
            )
        raise ShipwayError(
            f"the program of reports ended with {code}: {said or 'it said nothing'}",
            fix="look whether there is room on the disk and in memory (`df -h`, `free -h`), and ask again",
            state="nothing changed",
        )

    def _run(self, python: Path, work: Path, words: Sequence[str]) -> tuple[int, str]:
        variables = {
            "PATH": f"{python.parent}:{os.defpath}",
            "PYTHONPATH": str(self.programs / PROGRAM / "src"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(work),
            "TMPDIR": str(work),
            "LANG": "C.UTF-8",
            # One thread: this machine serves requests meanwhile.
            **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
        }
        try:
            return self.run(
                [str(python), "-sP", "-m", "model_monitoring.reports", *words], work, variables, self.timeout
            )
        except subprocess.TimeoutExpired:
            raise ShipwayError(
                f"the program of reports was not done within {self.timeout:.0f} s",
                fix="ask again",
                state="nothing changed",
            ) from None
