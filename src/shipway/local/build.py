"""Builds of the local target: a service's committed tree, tested, compiled, sealed and named by its content."""

from __future__ import annotations

import hashlib
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shipway.core.description import Service
from shipway.core.errors import Refused, UsageError
from shipway.core.ports import Builder, Tell
from shipway.core.release import Artifact, Commit
from shipway.local import log_file
from shipway.local.atomic_file import write_atomically
from shipway.local.file_lock import locked
from shipway.local.git_source import GitSource
from shipway.local.processes import end_marked
from shipway.local.python_environment import NO_LOCK, PythonEnvironments, interpreter
from shipway.local.sealed_tree import compile_tree, copy_for_writing, differences, file_digests, remove_tree, seal
from shipway.local.service_tests import MARK, run_tests

_TEST_LOCK = "requirements-test.lock"
_TEST_TIMEOUT = 15 * 60.0
_LOG_LINES = 20
_NAMED_FILES = 5
_LOCK_FIX = (
    "make it with `uv pip compile --generate-hashes pyproject.toml -o requirements.lock` and commit it, "
    "or say `lock: none` when the service needs the standard library only"
)


@dataclass(frozen=True, slots=True)
class _Check:
    """The tests that a tree has to pass: the command and the lock file of its environment."""

    command: str
    lock: bytes | None

    @property
    def key(self) -> str:
        content = {
            "command": self.command,
            "lock": None if self.lock is None else hashlib.sha256(self.lock).hexdigest(),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class LocalBuilder(Builder):
    """Artifacts below `root_folder` (`.shipway`), each `artifacts/<digest>/{tree/, artifact.json, passed/}`.

    The log of a build is `builds/<commit>-<service>.log`. `test_timeout` is in seconds.
    """

    def __init__(
        self,
        root_folder: Path,
        source: GitSource,
        environments: PythonEnvironments,
        test_timeout: float = _TEST_TIMEOUT,
    ) -> None:
        self._artifacts = root_folder.absolute() / "artifacts"
        self._logs = root_folder.absolute() / "builds"
        self._source = source
        self._environments = environments
        self._test_timeout = test_timeout

    def build(self, commit: Commit, name: str, service: Service, tell: Tell) -> Artifact:
        started = time.monotonic()
        lock = self._lock(commit, name, service.path, service.lock)
        check = self._check(commit, name, service, lock)
        environment = self._environments.ensure(lock, name, tell)
        content = {
            "tree": self._source.tree_id(commit, service.path),
            "environment": environment.digest,
            "interpreter": interpreter(),
        }
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        place, work = self._artifacts / digest, self._artifacts / f".work-{digest}"
        with locked(self._artifacts / f".{digest}.lock", 2 * self._test_timeout, f"building {name}"):
            _clear(work)
            try:
                known = _built_from(place)
                if known is None:
                    self._make(commit, name, service.path, content, place, work, check, tell)
                    tell(f"{name}: built {digest[:6]} in {time.monotonic() - started:.1f} s")
                elif check is not None and not (place / "passed" / check.key).exists():
                    copy_for_writing(place / "tree", work / "test")
                    self._test(commit, name, check, work, place, tell)
                    tell(f"{name}: unchanged, {digest[:6]} passed its new tests")
                else:
                    tell(f"{name}: unchanged, {digest[:6]}")
            finally:
                _clear(work)
        return Artifact(name, digest, known or commit.id, str(place / "tree"), environment.path)

    def verify(self, artifact: Artifact) -> None:
        """Raise Refused unless the artifact lies on disk, file by file, as it was built."""
        tree = Path(artifact.path)
        stored = _read(tree.parent)
        again = "deploy its commit again: it is built afresh"
        if stored is None or stored["digest"] != artifact.digest:
            raise Refused(
                f"artifact {artifact.short} of {artifact.service} is not in {tree.parent} any more", fix=again
            )
        if changed := differences(tree, stored["files"]):
            named = ", ".join(changed[:_NAMED_FILES]) + (" …" if len(changed) > _NAMED_FILES else "")
            raise Refused(
                f"artifact {artifact.short} of {artifact.service} was changed on disk after its build: {named}",
                fix=again,
            )

    def _make(
        self,
        commit: Commit,
        name: str,
        folder: str,
        content: dict[str, str],
        place: Path,
        work: Path,
        check: _Check | None,
        tell: Tell,
    ) -> None:
        made = work / "artifact"
        tree = made / "tree"
        self._source.export(commit, folder, tree)
        if check is not None:
            copy_for_writing(tree, work / "test")
        with ThreadPoolExecutor(1) as beside:
            compiled = beside.submit(compile_tree, tree, place / "tree")
            if check is not None:
                self._test(commit, name, check, work, made, tell)
            compiled.result()
        stored = {"digest": place.name, "service": name, "commit": commit.id, "files": file_digests(tree), **content}
        seal(tree)
        write_atomically(made / "artifact.json", json.dumps(stored, indent=1, sort_keys=True).encode())
        if place.exists():
            tell(f"{name}: the artifact {place.name[:6]} on disk was damaged; this build takes its place")
            os.replace(place, work / "damaged")
        os.replace(made, place)

    def _test(self, commit: Commit, name: str, check: _Check, work: Path, home: Path, tell: Tell) -> None:
        environment = self._environments.ensure(check.lock, f"{name}'s tests", tell)
        log = self._logs / f"{commit.short}-{name}.log"
        log.unlink(missing_ok=True)
        tell(f"{name}: testing with `{check.command}`")
        tree = work / "test"
        variables = self._environments.variables(environment.path, str(tree))
        wrong = run_tests(check.command, tree, variables, str(work), log, self._test_timeout)
        if wrong is not None:
            last = "\n".join(log_file.tail(log, _LOG_LINES))
            raise Refused(
                f"{name} at {commit.short} failed its tests: {wrong}" + (f"\n{last}" if last else ""),
                fix=f"mend it and commit; the whole log: {log}",
                state="nothing was built and nothing was deployed",
            )
        passed = home / "passed" / check.key
        passed.parent.mkdir(exist_ok=True)
        write_atomically(passed, check.command.encode())

    def _check(self, commit: Commit, name: str, service: Service, lock: bytes | None) -> _Check | None:
        if service.test is None:
            return None
        if service.test_lock is not None:
            return _Check(service.test, self._lock(commit, name, service.path, service.test_lock))
        if self._source.has(commit, f"{service.path}/{_TEST_LOCK}"):
            return _Check(service.test, self._lock(commit, name, service.path, _TEST_LOCK))
        return _Check(service.test, lock)

    def _lock(self, commit: Commit, name: str, folder: str, lock: str) -> bytes | None:
        if lock == NO_LOCK:
            return None
        self._source.tree_id(commit, folder)
        if not self._source.has(commit, f"{folder}/{lock}"):
            raise UsageError(f"{name} at {commit.short} has no lock file {folder}/{lock}", fix=_LOCK_FIX)
        return self._source.read(commit, f"{folder}/{lock}")


def _built_from(place: Path) -> str | None:
    """The commit of a whole artifact; None when there is none or its files were damaged."""
    stored = _read(place)
    if stored is None or differences(place / "tree", stored["files"]):
        return None
    return str(stored["commit"])


def _read(place: Path) -> dict[str, Any] | None:
    try:
        stored: dict[str, Any] = json.loads((place / "artifact.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return stored if {"digest", "commit", "files"} <= stored.keys() else None


def _clear(work: Path) -> None:
    if work.exists():
        # What an interrupted build left may still run in there.
        end_marked(MARK, str(work))
        remove_tree(work)
