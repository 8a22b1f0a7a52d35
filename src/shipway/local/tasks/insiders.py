"""Programs that Shipway itself has started decide nothing: a commit must not approve itself."""

from __future__ import annotations

from pathlib import Path

import psutil

from shipway.local.tasks.process_table import environment_of

_TRACES = ("HOME", "SHIPWAY_BUILD", "TMPDIR")
"""Variables that point into the state in tasks, `before_traffic` and builds."""
_MOST_PARENTS = 50
_REMEMBERED = 100
"""Outsiders. One is told from a later process of its number by when it began."""


class Insiders:
    """The processes that work for releases and builds of the app with this state. Threads may share it."""

    def __init__(self, state: Path) -> None:
        self._state = state
        # Who was started by nobody of them never will have been: a replay that calls a hundred times a second is looked
        # at once, which takes half a millisecond of CPU for each of its ancestors. In the order in which they came.
        self._outsiders: dict[psutil.Process, None] = {}

    def has(self, pid: int) -> bool:
        """Whether the process, or one that started it, works for a release or a build.

        That stops the mistake and the plain attempt. Who runs as the same user and wipes its traces is not told apart:
        that is what confinement is for.
        """
        try:
            process = psutil.Process(pid)
            if process in self._outsiders:
                return False
            if self._started_inside(process):
                return True
            self._outsiders[process] = None
            for oldest in list(self._outsiders)[:-_REMEMBERED]:
                self._outsiders.pop(oldest, None)
        except psutil.Error:
            pass
        return False

    def _started_inside(self, process: psutil.Process | None) -> bool:
        for _ in range(_MOST_PARENTS):
            if process is None:
                return False
            if _works_in(process, self._state):
                return True
            process = process.parent()
        return False


def _works_in(process: psutil.Process, state: Path) -> bool:
    try:
        variables = environment_of(process.pid)
        return any(Path(variables.get(name, "/")).is_relative_to(state) for name in _TRACES) or Path(
            process.cwd()
        ).is_relative_to(state / "artifacts")
    except (psutil.Error, OSError):
        return False  # another user's, or gone
