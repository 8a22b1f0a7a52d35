"""The records of all tasks in files, so that no process is forgotten when the daemon is killed."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from shipway.core.errors import ShipwayError, UsageError
from shipway.core.releases.release import Artifact
from shipway.core.tasks import TaskRecord, TaskTable
from shipway.local.builds.address import Address
from shipway.local.files.atomic_file import write_atomically

_adapter = TypeAdapter(TaskRecord)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")


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
        return _adapter.validate_python(_as_today(json.loads(file.read_bytes())))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ShipwayError(
            f"{file} cannot be read as a task: {str(error).splitlines()[0]}",
            fix="shipway repair, which finds the task again by its process",
            state="the other tasks run on untouched",
        ) from error


def _as_today(stored: dict[str, Any]) -> dict[str, Any]:
    """An earlier Shipway's record in today's form: tasks that it started run on, and are adopted."""
    spec, handle = stored["spec"], stored["handle"]
    if "cwd" in spec:
        address = Address(spec["cwd"], spec["env"].get("VIRTUAL_ENV", ""))
        spec["artifact"] = Artifact(spec["service"], spec["artifact_digest"], address.text())
    if handle is not None and "pid" in handle:
        handle["id"] = str(handle["pid"])
    return stored
