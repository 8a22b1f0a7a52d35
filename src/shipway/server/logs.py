"""The lines that tasks, builds and the daemon wrote, newest last. Never more than was asked for is kept in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from shipway.core.errors import UsageError
from shipway.core.logs.log_line import LogLine, understood
from shipway.core.releases.release import Release
from shipway.local.files import log_file
from shipway.server.call import Call
from shipway.wiring import Platform

MOST_LINES = 10_000
_MOST_BYTES = 8 << 20
_BEFORE = 200
"""Lines before those that are asked for, where a line without a time may find one."""
_ERROR_MARKS = ("ERROR", "CRITICAL", "FATAL", "Traceback", "Error:", "Exception")
_CHECKED = frozenset({"/health", "/healthz", "/ready", "/readyz", "/livez", "/live", "/ping", "/up"})
Wanted = Callable[[str, LogLine], bool]


def of_tasks(platform: Platform, call: Call) -> dict[str, Any]:
    """Lines of task logs, kept also after a task is gone. A log's name says whose it is."""
    logs = list(_task_logs(platform))
    asked = {key: call.query(key) for key in ("environment", "service", "release", "task")}
    _check_known(platform, asked, [owner for owner, _ in logs])
    lines, wanted = int(call.number("lines", 100, MOST_LINES)), _wanted(call, _checks(platform))
    found: list[tuple[float, dict[str, Any]]] = []
    for owner, path in logs:
        if all(value in (None, owner[key]) for key, value in asked.items()):
            # Each log is in order; a line without a time belongs to the one before it.
            found += [(at, {**owner, "line": line}) for at, line in _read(path, lines, call, wanted)]
            found = sorted(found, key=lambda entry: entry[0])[-lines:] if lines else []
    return {"lines": [entry for _, entry in found]}


def of_daemon(platform: Platform, call: Call) -> dict[str, Any]:
    """The daemon's own last lines."""
    lines = int(call.number("lines", 100, MOST_LINES))
    return {"lines": [line for _, line in _read(platform.places.daemon_log, lines, call, _wanted(call, ()))]}


def of_build(platform: Platform, call: Call) -> dict[str, Any]:
    """The last lines of a run's builds, and what ended it where they do not say so: a command that is not there."""
    run = platform.control.run(call.query("run") or "")
    lines = int(call.number("lines", 100, MOST_LINES))
    wanted = _wanted(call, ())
    paths = sorted((platform.places.state / "builds").glob(f"{run.commit[:7]}-*.log")) if run.commit else []
    found = [line for path in paths for _, line in _read(path, lines, call, wanted)]
    if run.reason and run.release is None:
        known = set(found)
        found += [line for line in run.reason.splitlines() if line not in known]
    return {"lines": found[-lines:] if lines else []}


def _task_logs(platform: Platform) -> Iterator[tuple[dict[str, str], Path]]:
    for path in sorted((platform.places.state / "logs").glob("*/*.log")):
        task = path.stem
        _, release, rest = [*task.removeprefix(f"{path.parent.name}-").split("-", 2), "", ""][:3]
        service = rest.rpartition("-")[0]
        yield {"environment": path.parent.name, "service": service, "task": task, "release": release}, path


def _check_known(platform: Platform, asked: dict[str, str | None], owners: Sequence[dict[str, str]]) -> None:
    """Raise UsageError for a name that nothing here has, or ever had: no line is not the same as no such place."""
    app = platform.app
    releases = [release.id for release in platform.store.all(Release)]
    releases.sort(key=lambda name: int(name[1:]) if name[1:].isdecimal() else 0)
    allowed = {
        "environment": list(app.environments),
        "service": list(app.services),
        "release": releases[-10:],
        "task": [],
    }
    known = {**allowed, "release": releases}
    for key, name in asked.items():
        if name is not None and name not in known[key] and all(owner[key] != name for owner in owners):
            names = ", ".join(allowed[key]) or "none yet"
            raise UsageError(f"no {key} {name!r}; there are: {names}", fix="shipway logs --help")


def _checks(platform: Platform) -> frozenset[str]:
    services = platform.app.services.values()
    return _CHECKED | {path for service in services for path in (service.health, service.ready)}


def _wanted(call: Call, checks: Iterable[str]) -> Wanted:
    errors, grep = call.query("errors") == "1", (call.query("grep") or "").casefold()
    leaves_out = frozenset(checks) if call.query("checks") == "0" else frozenset()

    def wanted(line: str, said: LogLine) -> bool:
        if grep and grep not in line.casefold():
            return False
        if errors and not (said.bad or (not said.structured and any(mark in line for mark in _ERROR_MARKS))):
            return False
        return not (leaves_out and said.is_check(leaves_out))

    return wanted


def _read(path: Path, lines: int, call: Call, wanted: Wanted) -> list[tuple[float, str]]:
    """The last lines of a log that are wanted, each with its Unix time or that of the line before it."""
    since = call.number("since", 0, 1e11)
    narrowed = since or any(call.query(key) for key in ("errors", "grep", "checks"))
    texts = log_file.tail(
        path, MOST_LINES if narrowed else lines + _BEFORE, most_bytes=_MOST_BYTES if narrowed else 1 << 20
    )
    said = [understood(text) for text in texts]
    # A line without a time belongs to the one before it, and the first ones to what follows.
    at = next((line.at for line in said if line.at is not None), None) or _written(path)
    found: list[tuple[float, str]] = []
    for text, line in zip(texts, said, strict=True):
        at = line.at if line.at is not None else at
        if at >= since and wanted(text, line):
            found.append((at, text))
    return found[-lines:] if lines else []


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
