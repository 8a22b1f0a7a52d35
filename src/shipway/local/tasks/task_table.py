"""What is known of every task, kept so that no process is forgotten when the daemon is killed."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from shipway.core.errors import ShipwayError, UsageError
from shipway.local.files.atomic_file import write_atomically
from shipway.local.tasks.processes import Handle, TaskSpec

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """A task as it is stored.

    Without a handle it is about to start, or was started and not recorded any more. `was_ready` tells that it
    ever was, `serves` that it was since its last start. `crash` says why it is not started again.
    """

    spec: TaskSpec
    handle: Handle | None = None
    was_ready: bool = False
    serves: bool = False
    draining: bool = False
    restarts: int = 0
    crash: str | None = None


class TaskTable(Protocol):
    """Where task records are kept, one for each task id. Every call is durable when it returns."""

    def put(self, record: TaskRecord) -> None:
        """Store the record in place of the one its task had."""
        ...

    def remove(self, task_id: str) -> None:
        """Forget the task; fine when it is not known."""
        ...

    def all(self) -> Sequence[TaskRecord]:
        """Every record."""
        ...


class FileTaskTable(TaskTable):
    """A folder with one JSON file for each task."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, record: TaskRecord) -> None:
        write_atomically(self._file(record.spec.id), json.dumps(asdict(record), indent=1).encode())

    def remove(self, task_id: str) -> None:
        self._file(task_id).unlink(missing_ok=True)

    def all(self) -> Sequence[TaskRecord]:
        return [read_record(file) for file in sorted(self._folder.glob("[!.]*.json"))]

    def _file(self, task_id: str) -> Path:
        if _ID.fullmatch(task_id) is None:
            raise UsageError(f"{task_id!r} is no task id: letters, digits, '.', '_' and '-', at most 120")
        return self._folder / f"{task_id}.json"


def read_record(file: Path) -> TaskRecord:
    """The record in a file. Raises ShipwayError when it is damaged."""
    try:
        stored: dict[str, Any] = json.loads(file.read_bytes())
        spec = stored.pop("spec")
        handle = stored.pop("handle")
        spec["argv"] = tuple(spec["argv"])
        return TaskRecord(spec=TaskSpec(**spec), handle=Handle(**handle) if handle else None, **stored)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ShipwayError(
            f"{file} cannot be read as a task: {error}",
            fix="shipway repair, which finds the task again by its process",
            state="the other tasks run on untouched",
        ) from error
