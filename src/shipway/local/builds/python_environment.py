"""Virtual environments made from hashed lock files by uv: one folder for each content, made once, shared."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import uv

from shipway.core.errors import ShipwayError
from shipway.core.ports.telling import Tell
from shipway.local.builds.confinement import SCRATCH, Confinement
from shipway.local.builds.lock_file import check_hashed
from shipway.local.files.atomic_file import write_atomically
from shipway.local.files.file_lock import locked
from shipway.local.state.storage import touch

NO_LOCK = "none"
_COMPLETE = ".complete"
_TIMEOUT = 900.0
_NEEDS_A_BUILD = re.compile(r"building (source distributions|from source) is disabled", re.IGNORECASE)
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
"""Where programs are looked up that an environment does not have."""


@dataclass(frozen=True, slots=True)
class PythonEnvironment:
    """An environment that is ready. `path` is empty for the bare interpreter; `digest` names its content."""

    digest: str
    path: str = ""


class PythonEnvironments:
    """The environments below `folder`, for the interpreter that runs this program.

    Making one runs no code of its packages, except of those that have no wheel: they are built in `confinement`.
    """

    def __init__(self, folder: Path, confinement: Confinement | None = None) -> None:
        # A virtual environment must not move: its scripts carry the absolute path.
        self._folder = folder.resolve()
        self._python = os.path.realpath(sys.executable)
        self._confinement = confinement or Confinement(folder)

    def ensure(self, lock: bytes | None, name: str, tell: Tell) -> PythonEnvironment:
        """The environment of a lock file's bytes, made when it is not there yet; None is the bare interpreter.

        `name` says in messages whose lock it is. Raises UsageError for a lock without hashes, ShipwayError when
        the packages cannot be fetched.
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

    def made(self, lock: bytes, name: str) -> Path | None:
        """Where the environment of a lock file's bytes is; None while it is not made. Raises UsageError as `ensure` does."""
        check_hashed(lock, name)
        place = self._folder / _digest(lock)
        return place if is_whole(place) else None

    def python(self, lock: Path, name: str, tell: Tell) -> Path:
        """The interpreter of a lock file's environment, made when it is not there yet. Raises as `ensure` does."""
        return Path(self.ensure(lock.read_bytes(), name, tell).path, "bin", "python")

    def variables(self, environment: str, tree: str) -> dict[str, str]:
        """The variables under which a program of `tree` runs in the environment at that path, and no others.

        An empty path means the bare interpreter, reached as `python` and `python3`, without user packages.
        """
        variables = {
            "PATH": f"{self.programs(environment)}:{SYSTEM_PATH}",
            "PYTHONPATH": f"{tree}/src:{tree}",
            "PYTHONNOUSERSITE": "1",
            "PYTHONUNBUFFERED": "1",
            "LANG": "C.UTF-8",
        }
        return variables | ({"VIRTUAL_ENV": environment} if environment else {})

    def programs(self, environment: str) -> Path:
        """The `bin` folder of the environment at that path; of the bare interpreter for an empty one."""
        return Path(environment, "bin") if environment else self._bare()

    def _make(self, place: Path, lock: bytes, name: str, held: int, tell: Tell) -> None:
        started = time.monotonic()
        tell(f"{name}: making its environment")
        if place.exists():
            shutil.rmtree(place)
        made = self._uv(["venv", "--quiet", "--no-python-downloads", "--python", self._python, str(place)], name, held)
        _require_done(made, name)
        locked_file = place / "requirements.lock"
        locked_file.write_bytes(lock)
        sync = [
            *("pip", "sync", "--quiet", "--require-hashes", "--allow-empty-requirements"),
            *("--python", str(place / "bin" / "python"), str(locked_file)),
        ]
        done = self._uv([*sync, "--no-build"], name, held)
        if done.returncode != 0 and _NEEDS_A_BUILD.search(_said(done)):
            tell(f"{name}: a package has no wheel; building it from its sources")
            done = self._build(sync, place, name, held)
        _require_done(done, name)
        self._compile(place, held)
        content = {"lock_sha256": hashlib.sha256(lock).hexdigest(), "interpreter": interpreter()}
        write_atomically(place / _COMPLETE, json.dumps(content, indent=1).encode())
        tell(f"{name}: environment {place.name[:6]} made in {time.monotonic() - started:.1f} s")

    def _build(self, sync: list[str], place: Path, name: str, held: int) -> subprocess.CompletedProcess[bytes]:
        """Sync once more and build what has no wheel. That runs foreign code; it may write to this environment only."""
        program = uv.find_uv_bin()
        with tempfile.TemporaryDirectory(prefix="shipway-build-") as scratch:
            # A separate cache: what is built must not reach other environments through the shared one.
            own = {"HOME": SCRATCH, "TMPDIR": SCRATCH, "UV_CACHE_DIR": f"{SCRATCH}/cache"}
            variables = _without_python(os.environ) | (own if self._confinement.works else {})
            argv = self._confinement.around(
                [program, *sync], scratch=Path(scratch), writable=[place], readable=[Path(program)], network=True
            )
            return _run(argv, variables, name, held)

    def _compile(self, place: Path, held: int) -> None:
        # -S: at its start the environment's own interpreter would run code from the packages' `.pth` files.
        compiler = [self._python, "-I", "-S", "-m", "compileall", "-q", "-q", "-j", "0", str(place / "lib")]
        # Some packages contain files that are not valid Python; they are skipped.
        _run(compiler, {}, "compiling", held)

    def _uv(self, arguments: list[str], name: str, held: int) -> subprocess.CompletedProcess[bytes]:
        return _run([uv.find_uv_bin(), *arguments], _without_python(os.environ), name, held)

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
    """The interpreter's implementation, version and platform, as they go into digests."""
    return f"{platform.python_implementation()} {platform.python_version()} {sysconfig.get_platform()}"


def is_whole(place: Path) -> bool:
    """Whether an environment was made to its end and still has its interpreter."""
    # The interpreter is a link; it dangles once that Python was removed from the machine.
    return (place / _COMPLETE).exists() and (place / "bin" / "python").exists()


def _run(argv: list[str], variables: Mapping[str, str], name: str, held: int) -> subprocess.CompletedProcess[bytes]:
    # The program inherits the lock: if this process is killed, the next one waits for the program to end.
    try:
        return subprocess.run(
            argv,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            pass_fds=(held,),
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ShipwayError(f"{name}: uv gave up after {_TIMEOUT:.0f} s", fix="check the network") from error


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    return (done.stderr + done.stdout).decode("utf-8", "replace").strip()


def _require_done(done: subprocess.CompletedProcess[bytes], name: str) -> None:
    if done.returncode != 0:
        raise ShipwayError(
            f"{name}: its environment could not be made: {_said(done)[-2000:] or f'uv ended with {done.returncode}'}",
            fix="correct the lock file, or the connection to the package index, then try again",
            state="nothing was built",
        )


def _digest(lock: bytes) -> str:
    content = {"lock": hashlib.sha256(lock).hexdigest(), "interpreter": interpreter()}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _without_python(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name != "VIRTUAL_ENV" and not name.startswith("PYTHON")}
