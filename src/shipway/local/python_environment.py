"""Virtual environments made from hashed lock files by uv: one folder for each content, made once, shared."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import uv

from shipway.core.errors import ShipwayError
from shipway.core.ports import Tell
from shipway.local.atomic_file import write_atomically
from shipway.local.file_lock import locked
from shipway.local.lock_file import check_hashed
from shipway.local.storage import touch

NO_LOCK = "none"
_COMPLETE = ".complete"
_TIMEOUT = 900.0
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
"""Where programs are looked up that an environment has not."""


@dataclass(frozen=True, slots=True)
class PythonEnvironment:
    """An environment that is ready. `path` is empty for the bare interpreter; `digest` names its content."""

    digest: str
    path: str = ""


class PythonEnvironments:
    """The environments below `folder`, for the interpreter that runs this program."""

    def __init__(self, folder: Path) -> None:
        # A virtual environment must not move: its scripts carry the absolute path.
        self._folder = folder.resolve()
        self._python = os.path.realpath(sys.executable)

    def ensure(self, lock: bytes | None, name: str, tell: Tell) -> PythonEnvironment:
        """The environment of a lock file's bytes, made when it is not there yet; None is the bare interpreter.

        `name` says in messages whose lock it is. Raises UsageError for a lock without hashes, ShipwayError when
        the packages cannot be had.
        """
        if lock is None:
            return PythonEnvironment(_digest(b""))
        check_hashed(lock, name)
        digest = _digest(lock)
        place = self._folder / digest
        if not is_whole(place):
            with locked(self._folder / f".{digest}.lock", _TIMEOUT, f"making the environment of {name}") as held:
                if not is_whole(place):
                    self._make(place, lock, name, held, tell)
        touch(place)
        return PythonEnvironment(digest, str(place))

    def python(self, lock: Path, name: str, tell: Tell) -> Path:
        """The interpreter of a lock file's environment, made when it is not there yet. Raises as `ensure` does."""
        return Path(self.ensure(lock.read_bytes(), name, tell).path, "bin", "python")

    def variables(self, environment: str, tree: str) -> dict[str, str]:
        """The variables under which a program of `tree` runs in the environment at that path, and no others.

        An empty path means the bare interpreter, reached as `python` and `python3`, without user packages.
        """
        programs = Path(environment, "bin") if environment else self._bare()
        variables = {
            "PATH": f"{programs}:{SYSTEM_PATH}",
            "PYTHONPATH": f"{tree}/src:{tree}",
            "PYTHONNOUSERSITE": "1",
            "PYTHONUNBUFFERED": "1",
            "LANG": "C.UTF-8",
        }
        return variables | ({"VIRTUAL_ENV": environment} if environment else {})

    def _make(self, place: Path, lock: bytes, name: str, held: int, tell: Tell) -> None:
        started = time.monotonic()
        tell(f"{name}: making its environment")
        if place.exists():
            shutil.rmtree(place)
        self._uv(["venv", "--quiet", "--no-python-downloads", "--python", self._python, str(place)], name, held)
        locked_file = place / "requirements.lock"
        locked_file.write_bytes(lock)
        self._uv(
            [
                *("pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode", "--allow-empty-requirements"),
                *("--python", str(place / "bin" / "python"), str(locked_file)),
            ],
            name,
            held,
        )
        content = {"lock_sha256": hashlib.sha256(lock).hexdigest(), "interpreter": interpreter()}
        write_atomically(place / _COMPLETE, json.dumps(content, indent=1).encode())
        tell(f"{name}: environment {place.name[:6]} made in {time.monotonic() - started:.1f} s")

    def _uv(self, arguments: list[str], name: str, held: int) -> None:
        # uv inherits the lock: should this process be killed, the next one waits for uv before it starts afresh.
        try:
            done = subprocess.run(
                [uv.find_uv_bin(), *arguments],
                env=_without_python(os.environ),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                pass_fds=(held,),
                timeout=_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ShipwayError(f"{name}: uv gave up after {_TIMEOUT:.0f} s", fix="check the network") from error
        if done.returncode != 0:
            said = (done.stderr + done.stdout).decode("utf-8", "replace").strip()[-2000:]
            raise ShipwayError(
                f"{name}: its environment could not be made: {said or f'uv ended with {done.returncode}'}",
                fix="mend the lock file, or the way to the package index, then try again",
                state="nothing was built",
            )

    def _bare(self) -> Path:
        programs = self._folder / f"bare-{hashlib.sha256(self._python.encode()).hexdigest()[:16]}" / "bin"
        programs.mkdir(parents=True, exist_ok=True)
        for name in ("python", "python3"):
            if not (programs / name).exists():
                link = programs / f".{name}.{uuid.uuid4().hex}"
                link.symlink_to(self._python)
                link.replace(programs / name)
        return programs


@cache
def interpreter() -> str:
    """The interpreter's implementation, version and platform, as digests take it in."""
    return f"{platform.python_implementation()} {platform.python_version()} {sysconfig.get_platform()}"


def is_whole(place: Path) -> bool:
    """Whether an environment was made to its end and still has its interpreter."""
    # The interpreter is a link; it dangles once that Python was removed from the machine.
    return (place / _COMPLETE).exists() and (place / "bin" / "python").exists()


def _digest(lock: bytes) -> str:
    content = {"lock": hashlib.sha256(lock).hexdigest(), "interpreter": interpreter()}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _without_python(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name != "VIRTUAL_ENV" and not name.startswith("PYTHON")}
