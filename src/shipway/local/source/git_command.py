"""The `git` command, run so that neither the caller's variables nor hidden substitutions change what it reads."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from shipway.core.errors import ShipwayError

_TIMEOUT = 30.0
_MAX_NAME = 1000


class Git:
    """Runs git in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Run it to its end, whatever its exit code. Raises ShipwayError when git is missing or hangs."""
        try:
            return subprocess.run(
                self.command(*arguments),
                env=environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_TIMEOUT,
                check=False,
            )
        except FileNotFoundError as error:
            raise ShipwayError("git is not on the PATH", fix="install git, then try again") from error
        except subprocess.TimeoutExpired as error:
            raise ShipwayError(f"git {arguments[0]} gave no answer within {_TIMEOUT:.0f} s") from error

    def must(self, *arguments: str) -> bytes:
        """What it prints. Raises ShipwayError when it fails."""
        done = self.run(*arguments)
        if done.returncode != 0:
            raise ShipwayError(f"git {arguments[0]} failed in {self.folder}: {message(done)}")
        return done.stdout

    def line(self, *arguments: str) -> str | None:
        """The line it prints; None when it fails or prints nothing."""
        done = self.run(*arguments)
        return done.stdout.decode("utf-8", "replace").strip() or None if done.returncode == 0 else None

    def command(self, *arguments: str) -> list[str]:
        """The words of the command line."""
        return ["git", "-C", str(self.folder), *arguments]


def environment() -> dict[str, str]:
    """The variables that git runs under."""
    # A git hook that starts shipway sets GIT_DIR and others, which would point at another repository.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {
        "LC_ALL": "C.UTF-8",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_LITERAL_PATHSPECS": "1",
        # `git replace` and grafts exist in this clone alone: with them an id would stand for other content.
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_GRAFT_FILE": os.devnull,
    }


def sane(text: str) -> bool:
    """Whether git can be asked for it: NUL, lone surrogates and endless names cannot even be passed on."""
    return len(text) <= _MAX_NAME and text.isprintable()


def message(done: subprocess.CompletedProcess[bytes]) -> str:
    """Why a command failed, in git's words."""
    return done.stderr.decode("utf-8", "replace").strip() or f"exit code {done.returncode}"
