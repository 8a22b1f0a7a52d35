"""The logs of tasks: a file for each, which the task writes itself, and the older ones beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shipway.core.tasks import TaskLog, TaskSpec
from shipway.local.files import log_file


@dataclass(frozen=True, slots=True)
class FileTaskLog(TaskLog):
    """`folder` holds one folder for each environment."""

    folder: Path

    def file(self, spec: TaskSpec) -> Path:
        """Where the task writes."""
        return self.folder / spec.environment / f"{spec.id}.log"

    def tail(self, spec: TaskSpec, lines: int) -> Sequence[str]:
        return log_file.tail(self.file(spec), lines)

    def keep_bounded(self, spec: TaskSpec) -> None:
        log_file.rotate(self.file(spec))
