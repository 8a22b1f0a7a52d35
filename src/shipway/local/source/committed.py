"""Whether what `shipway.yaml` says of a service can be built and started from a commit. Reads the commit only."""

from __future__ import annotations

import os
import posixpath
import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shipway.core.description.app import Service
from shipway.core.description.command_line import words
from shipway.core.errors import UsageError
from shipway.core.releases.release import Commit
from shipway.local.builds.lock_file import TEST_LOCK, Folder, check_lock
from shipway.local.builds.python_environment import NO_LOCK, SYSTEM_PATH
from shipway.local.source.git_export import PROGRAM
from shipway.local.source.git_source import GitSource

_PYTHON = re.compile(r"python(?:3(?:\.\d+)?)?")
_TAKES_A_WORD = ("-X", "-W", "--check-hash-based-pycs")


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a key of a service, and what to do."""

    key: str
    what: str
    fix: str


class CommittedService:
    """A service and the commit that it is to be built from."""

    def __init__(self, source: GitSource, commit: Commit, name: str, service: Service) -> None:
        self._source = source
        self._commit = commit
        self._name = f"{name} at {commit.short}"
        self._service = service

    def lock(self) -> bytes | None:
        """The lock file of its environment; None for the standard library alone. Raises UsageError."""
        return self._lock(self._service.lock)

    def test_lock(self) -> bytes | None:
        """The lock file of the environment that its tests run in; None for the standard library. Raises UsageError."""
        if self._service.test_lock is not None:
            return self._lock(self._service.test_lock, tests=True)
        if self._source.has(self._commit, f"{self._service.path}/{TEST_LOCK}"):
            return self._lock(TEST_LOCK, tests=True)
        return self.lock()

    def mistakes(self) -> Iterator[Mistake]:
        """All that is wrong, as far as it can be seen without making its environment."""
        service = self._service
        key = "path"
        try:
            self._source.check_whole(self._commit, service.path)
            if service.include:
                key = "include"
                self._source.check_whole(self._commit, service.path, service.include)
        except UsageError as error:
            yield Mistake(key, error.what, error.fix)
            return
        try:
            self.lock()
        except UsageError as error:
            yield Mistake("lock", error.what, error.fix)
        if service.test is not None and (service.test_lock is not None or self._has(TEST_LOCK)):
            try:
                self.test_lock()
            except UsageError as error:
                yield Mistake("test_lock", error.what, error.fix)
        if service.baked is not None:
            try:
                self._source.tree_id(self._commit, f"{service.path}/{service.baked}", links=True)
            except UsageError as error:
                yield Mistake("baked", error.what, f"shipway model bake VERSION, then {error.fix}")
        # What a lock file brings is known once its environment is made.
        bare = service.lock == NO_LOCK
        for key in ("command", "before_traffic"):
            yield from self.program_mistakes(key, SYSTEM_PATH if bare else None)
        yield from self.program_mistakes("test", SYSTEM_PATH if bare and service.test_lock in (None, NO_LOCK) else None)

    def program_mistakes(self, key: str, path: str | None) -> Iterator[Mistake]:
        """What is wrong with the program of a command. `path` is where bare names are looked up; None: not yet known."""
        command: str | None = getattr(self._service, key)
        argv = words(command or "")
        if not argv or "{" in argv[0]:
            return
        program = argv[0]
        if program.startswith("/"):
            if not os.access(program, os.X_OK) or Path(program).is_dir():
                yield Mistake(key, f"{program} is no program on this machine", "name one that is, or commit it")
        elif "/" in program:
            yield from self._file_mistakes(key, program, runs=True)
        elif _PYTHON.fullmatch(program):
            script = _script(argv)
            if script is not None:
                yield from self._file_mistakes(key, script, runs=False)
        elif self._has(program) and shutil.which(program, path=path or SYSTEM_PATH) is None:
            yield Mistake(key, f"{program} is looked up on PATH", f"a program of the folder is written ./{program}")
        elif path is not None and shutil.which(program, path=path) is None and not self._maybe_locked(key):
            yield Mistake(
                key,
                f"there is no program {program}: it is in no package of the service's lock file, nor in {SYSTEM_PATH}",
                f"add the package that brings {program} to the lock file, or write ./{program} for one in the folder",
            )

    def _maybe_locked(self, key: str) -> bool:
        # Tests may have an environment of their own.
        return key == "test" and self._has(TEST_LOCK)

    def _file_mistakes(self, key: str, name: str, *, runs: bool) -> Iterator[Mistake]:
        """A file that a command names. Python runs folders as well, and needs no executable bit."""
        inner = posixpath.normpath(name)
        if inner.split("/")[0] == "..":
            yield Mistake(
                key, f"{name} leads out of {self._service.path}, which is all that a build sees", "move it there"
            )
            return
        place = posixpath.normpath(posixpath.join(self._service.path, inner))
        try:
            if not runs and self._source.has(self._commit, place):
                return
            entry = self._source.file(self._commit, place)
        except UsageError as error:
            yield Mistake(key, f"no file {name} in {self._service.path}, where commands run: {error.what}", error.fix)
            return
        if entry.mode != PROGRAM:
            fix = f"git add --chmod=+x {shlex.quote(place)} && git commit"
            yield Mistake(key, f"{name} is committed, but not as executable", fix)

    def _has(self, name: str) -> bool:
        return self._source.has(self._commit, f"{self._service.path}/{name}")

    def _lock(self, lock: str, *, tests: bool = False) -> bytes | None:
        if lock == NO_LOCK:
            return None
        path, commit = self._service.path, self._commit
        if not self._has(lock) and self._source.lies_here(f"{path}/{lock}"):
            what = f"{self._name} has no lock file {path}/{lock}: it lies here, but is not committed"
            raise UsageError(what, fix=f"git add {shlex.quote(f'{path}/{lock}')} && git commit")
        names = self._source.names(commit, path)
        folder = Folder(path, names, lambda file: self._source.read(commit, f"{path}/{file}"))
        return check_lock(lock, folder, self._name, tests=tests)


def _script(argv: Sequence[str]) -> str | None:
    """The file that Python is told to run; None for a module, for code, and for what is outside of the folder."""
    rest = list(argv[1:])
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if re.fullmatch(r"-[A-Za-z]*[mc]", option) or option == "-" or re.match(r"-[mc]\S", option):
            return None
        if option in _TAKES_A_WORD and rest:
            rest.pop(0)
    return rest[0] if rest and not rest[0].startswith("/") and "{" not in rest[0] else None
