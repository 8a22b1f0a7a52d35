"""Commands that the demo runs: to their end, or followed line by line."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from shipway.core.errors import ShipwayError

TIMEOUT = 300.0
_LAST_LINES = 15


def must(
    words: Sequence[str], cwd: Path | None = None, extra: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end. Raises ShipwayError with its last words when it fails."""
    try:
        done = subprocess.run(
            words, cwd=cwd, env={**os.environ, **(extra or {})}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", timeout=TIMEOUT, start_new_session=True, check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise ShipwayError(f"{words[0]} is not installed", fix=f"install {words[0]}") from error
    except subprocess.TimeoutExpired as error:
        raise ShipwayError(f"{shlex.join(words)} did not end within {TIMEOUT:.0f} s") from error
    if done.returncode != 0:
        raise ShipwayError(
            f"{shlex.join(words)} ended with {done.returncode}:\n{tail((done.stderr or done.stdout).splitlines())}"
        )
    return done


class ShipwayCommand:
    """A running `shipway … --json`, as this very product. What it tells on stderr is passed on line by line.

    A session of its own: Ctrl-C is for the player, which then takes everything down in order.
    """

    def __init__(self, app: Path, words: Sequence[str], tell: Callable[[str], None]) -> None:
        self._name = shlex.join(["shipway", *words])
        self._told: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "shipway", *words, "--json"], cwd=app, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", errors="replace", start_new_session=True,
            env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        )  # fmt: skip
        self._listener = threading.Thread(target=self._listen, args=(tell,), name=self._name, daemon=True)
        self._listener.start()

    def ended(self, timeout: float = TIMEOUT) -> tuple[int, dict[str, Any]]:
        """Its exit code and the JSON object it printed (empty when it printed none); killed after `timeout` seconds."""
        limit = threading.Timer(timeout, self._process.kill)
        limit.start()
        try:
            assert self._process.stdout is not None
            printed = self._process.stdout.read()
            code = self._process.wait()
        finally:
            limit.cancel()
        self._listener.join(timeout=10)
        answer = json.loads(printed) if printed.lstrip().startswith("{") else {}
        return code, answer

    def answer(self, *allowed: int) -> dict[str, Any]:
        """The JSON object it printed. Raises ShipwayError when it ended with a code that is neither 0 nor allowed."""
        code, answer = self.ended()
        if not answer or code not in (0, *allowed):
            raise ShipwayError(f"{self._name} ended with {code}", state=f"what it said last:\n{tail(self._told)}")
        return answer

    def kill(self) -> None:
        """End it, if it still runs: only the command ends, not what it asked for."""
        self._process.kill()
        self._process.wait(timeout=10)

    def _listen(self, tell: Callable[[str], None]) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._told.append(line.rstrip())
            tell(line.rstrip())


def tail(lines: Sequence[str]) -> str:
    """The last lines of an output, indented."""
    return "\n".join(f"  {line}" for line in lines[-_LAST_LINES:])
