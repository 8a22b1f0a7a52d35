"""Programs that Shipway itself has started decide nothing: a commit must not approve itself."""

from __future__ import annotations

from pathlib import Path

import psutil

from shipway.local.tasks.process_table import environment_of

_TRACES = ("HOME", "SHIPWAY_BUILD", "TMPDIR")
"""Variables that point into the state in tasks, `before_traffic` and builds."""
_MOST_PARENTS = 50


def is_insider(pid: int, state: Path) -> bool:
    """Whether the process, or one that started it, works for a release or a build of the app with this state.

    That stops the mistake and the plain attempt. Who runs as the same user and wipes its traces is not told apart:
    that is what confinement is for.
    """
    try:
        process: psutil.Process | None = psutil.Process(pid)
        for _ in range(_MOST_PARENTS):
            if process is None:
                return False
            if _works_in(process, state):
                return True
            process = process.parent()
    except psutil.Error:
        pass
    return False


def _works_in(process: psutil.Process, state: Path) -> bool:
    try:
        variables = environment_of(process.pid)
        return any(Path(variables.get(name, "/")).is_relative_to(state) for name in _TRACES) or Path(
            process.cwd()
        ).is_relative_to(state / "artifacts")
    except (psutil.Error, OSError):
        return False  # another user's, or gone
