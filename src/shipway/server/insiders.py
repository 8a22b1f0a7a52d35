"""Programs that Shipway itself has started decide nothing: a commit must not approve itself."""

from __future__ import annotations

from pathlib import Path

import psutil
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from shipway.core.errors import Refused

_TRACES = ("HOME", "SHIPWAY_BUILD", "TMPDIR")
"""Variables that point into the state in tasks, `before_traffic` and builds."""
_MOST_PARENTS = 50


class RefuseInsiders:
    """Answers 409 to whatever a task, a build or what they started would change; they may look.

    It stops the mistake and the plain attempt. Who runs as the same user and wipes its traces is not told apart:
    that is what confinement is for.
    """

    def __init__(self, app: ASGIApp, state: Path) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Called by the server; the caller's process id stands where a port would."""
        if scope["type"] == "http" and scope["method"] != "GET" and scope.get("client"):
            pid = int(scope["client"][1])
            if pid and is_insider(pid, self._state):
                error = Refused(f"process {pid} was started by Shipway itself: a release may not decide about releases")
                told = {"what": error.what, "fix": "", "state": "nothing changed", "exit_code": error.exit_code}
                await JSONResponse({"error": told}, 409)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def is_insider(pid: int, state: Path) -> bool:
    """Whether the process, or one that started it, works for a release or a build of the app with this state."""
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
        variables = process.environ()
        return any(Path(variables.get(name, "/")).is_relative_to(state) for name in _TRACES) or Path(
            process.cwd()
        ).is_relative_to(state / "artifacts")
    except (psutil.Error, OSError):
        return False  # another user's, or gone
