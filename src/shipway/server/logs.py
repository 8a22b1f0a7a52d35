"""The lines that tasks, builds and the daemon wrote, newest last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shipway.local import log_file
from shipway.server.call import Call
from shipway.wiring import Platform

MOST_LINES = 10_000
_ERROR_MARKS = ('"level": "error"', '"level":"error"', "ERROR", "Traceback", "Error:", "Exception")


def of_tasks(platform: Platform, call: Call) -> dict[str, Any]:
    """Lines of task logs, kept also after a task is gone. A log's name says whose it is."""
    lines = int(call.number("lines", 100, MOST_LINES))
    found = []
    for path in sorted((platform.places.state / "logs").glob("*/*.log"), key=lambda p: p.stat().st_mtime):
        task = path.stem
        _, release, rest = [*task.removeprefix(f"{path.parent.name}-").split("-", 2), "", ""][:3]
        service = rest.rpartition("-")[0]
        owner = {"environment": path.parent.name, "service": service, "task": task, "release": release}
        if all(call.query(key) in (None, value) for key, value in owner.items()):
            found += [{**owner, "line": line} for line in log_file.tail(path, lines) if _wanted(call, line)]
    return {"lines": found[-lines:]}


def of_daemon(platform: Platform, call: Call) -> dict[str, Any]:
    """The daemon's own last lines."""
    return {"lines": log_file.tail(platform.places.daemon_log, int(call.number("lines", 100, MOST_LINES)))}


def of_build(platform: Platform, call: Call) -> dict[str, Any]:
    """The last lines of a run's builds."""
    commit = platform.control.run(call.query("run") or "").commit
    lines = int(call.number("lines", 100, MOST_LINES))
    paths: list[Path] = sorted((platform.places.state / "builds").glob(f"{commit[:7]}-*.log")) if commit else []
    return {"lines": [line for path in paths for line in log_file.tail(path, lines)][-lines:]}


def _wanted(call: Call, line: str) -> bool:
    return call.query("errors") != "1" or any(mark in line for mark in _ERROR_MARKS)
