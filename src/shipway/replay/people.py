"""Stands in for the people: runs the commands that they would, says each, and waits for a daemon that is away."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shipway.core.errors import Refused, ShipwayError
from shipway.demo.commands import ShipwayCommand

LENGTHY = 1900.0
ATTEMPTS = 3
"""A daemon that dies takes a command's answer with it; one that is there answers the next time."""
Tell = Callable[[str], None]
Answer = Mapping[str, Any]


class People:
    """Commands in the app's folder, for one environment. `tell` gets each of them as it is run.

    `await_daemon` returns once a daemon answers, or raises ShipwayError.
    """

    def __init__(self, root: Path, environment: str, tell: Tell, await_daemon: Callable[[], None]) -> None:
        self._root = root
        self._environment = environment
        self._tell = tell
        self._await_daemon = await_daemon
        self._running: list[ShipwayCommand] = []
        self._ended = False

    def look(self, since: float, until: float) -> Answer:
        """What the monitor says of a window. A version without a baseline gets one first."""
        # A month, though it took the clock a minute.
        window = ("--since", _moment(since), "--until", _moment(until), "--as", "month")
        try:
            return self._run("monitor", "run", self._environment, *window, allowed=(1, 3))
        except Refused as refusal:
            if "no baseline" not in refusal.what:
                raise
        self.baseline()
        return self._run("monitor", "run", self._environment, *window, allowed=(1, 3))

    def baseline(self) -> None:
        """Say that what the serving version learned from is normal."""
        self._run("monitor", "baseline", self._environment)

    def train(self, month: str, why: str) -> str:
        """Start a training that is tested on `month`; its run."""
        before = self._newest_training()
        try:
            return str(self._run("train", "--until", month, "--why", why, "--detach", attempts=1)["run"]["id"])
        except Refused:
            raise
        except ShipwayError:
            # A daemon that died meanwhile may have begun it.
            self._await_daemon()
            newest = self._newest_training()
            if newest == before or newest is None:
                return str(self._run("train", "--until", month, "--why", why, "--detach")["run"]["id"])
            return newest

    def trained(self, run: str) -> Answer:
        """Wait for a training's end: what it came to."""
        self._run("run", "follow", run, allowed=(1, 3), quiet=True)
        return self._run("train", "show", run)

    def approve(self, version: str, why: str) -> None:
        """Say that a version is fit."""
        self._run("model", "approve", version, "--why", why, "--detach")

    def promote(self, version: str, why: str) -> str:
        """Start to bring a version to the environment by its own rollout; its run."""
        words = ("--env", self._environment, "--canary", "--yes", "--why", why, "--detach")
        return str(self._run("model", "promote", version, *words)["run"]["id"])

    def promoted(self, run: str) -> tuple[bool, str]:
        """Wait for a promotion's end: whether the version came to serve, and how that ended."""
        ended = self._run("run", "follow", run, allowed=(1, 3, 4), quiet=True)["run"]
        return ended["status"] == "succeeded", f"{ended['status'].replace('_', ' ')} {ended['reason']}".rstrip()

    def end(self) -> None:
        """End the commands that run; what they asked for goes on."""
        self._ended = True
        for command in list(self._running):
            command.kill()

    def _newest_training(self) -> str | None:
        trainings = self._run("train", "runs", "-n", "1", quiet=True)["trainings"]
        return str(trainings[0]["run"]["id"]) if trainings else None

    def _run(self, *words: str, allowed: tuple[int, ...] = (), quiet: bool = False, attempts: int = ATTEMPTS) -> Answer:
        """The command's answer, of one that may be run again. Raises Refused, or ShipwayError with what it said."""
        name = shlex.join(["shipway", *words])
        if not quiet:
            self._tell(f"$ {name}")
        for attempt in range(1, attempts + 1):
            said: list[str] = []
            command = ShipwayCommand(self._root, words, said.append)
            self._running.append(command)
            try:
                code, answer = command.ended(LENGTHY)
            finally:
                self._running.remove(command)
            error = answer.get("error")
            if answer and error is None and code in (0, *allowed):
                return answer
            told = error["what"] if error else "\n".join(said[-5:]) or "it said nothing"
            if code == Refused.exit_code and error:
                raise Refused(error["what"], fix=error["fix"], state=error["state"])
            if self._ended:
                break
            if attempt < attempts:
                self._await_daemon()
        raise ShipwayError(f"{name} ended with {code}: {told}", fix=(error or {}).get("fix", ""))


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
