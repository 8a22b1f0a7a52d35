"""Builds of the local target: a service's committed tree, tested, compiled, sealed and named by its content."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shipway.core.description.app import Service
from shipway.core.errors import Refused, UsageError
from shipway.core.logs.headline import with_log
from shipway.core.ports.building import Builder
from shipway.core.ports.telling import Tell
from shipway.core.releases.release import Artifact, Commit
from shipway.local.builds.address import Address, address_of
from shipway.local.builds.baked_model import read_baked
from shipway.local.builds.confinement import Confinement
from shipway.local.builds.python_environment import PythonEnvironment, PythonEnvironments, interpreter, is_whole
from shipway.local.builds.sealed_tree import (
    compile_tree,
    copy_for_writing,
    differences,
    file_digests,
    remove_tree,
    seal,
)
from shipway.local.builds.service_tests import MARK, run_tests
from shipway.local.files import log_file
from shipway.local.files.atomic_file import write_atomically
from shipway.local.files.file_lock import locked
from shipway.local.source.committed import CommittedService
from shipway.local.source.git_source import GitSource
from shipway.local.state.storage import touch
from shipway.local.tasks.process_table import end_marked

PLACEHOLDER = "placeholder"
"""What tests get in place of a secret: a commit that nobody has approved sees no value."""
_TEST_TIMEOUT = 15 * 60.0
_LOG_LINES = 20
_NAMED_FILES = 5


@dataclass(frozen=True, slots=True)
class _Check:
    """The tests that a tree has to pass: the command, the lock file of its environment, the service's variables."""

    command: str
    lock: bytes | None
    env: Mapping[str, str]

    @property
    def key(self) -> str:
        content = {
            "command": self.command,
            "lock": None if self.lock is None else hashlib.sha256(self.lock).hexdigest(),
            **({"env": dict(self.env)} if self.env else {}),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Job:
    """One build: of which service, where it works (`work`) and where the artifact goes (`place`)."""

    commit: Commit
    name: str
    check: _Check | None
    place: Path
    work: Path
    tell: Tell


class LocalBuilder(Builder):
    """Artifacts below `root_folder` (`.shipway`), each `artifacts/<digest>/{tree/, artifact.json, passed/}`.

    The log of a build is `builds/<commit>-<service>.log`. `test_timeout` is in seconds.
    """

    def __init__(
        self,
        root_folder: Path,
        source: GitSource,
        environments: PythonEnvironments,
        confinement: Confinement,
        test_timeout: float = _TEST_TIMEOUT,
    ) -> None:
        self._artifacts = root_folder.absolute() / "artifacts"
        self._logs = root_folder.absolute() / "builds"
        self._source = source
        self._environments = environments
        self._confinement = confinement
        self._test_timeout = test_timeout

    def build(self, commit: Commit, name: str, service: Service, tell: Tell) -> Artifact:
        """Test and build what `commit` holds in the service's folder; see `Builder`."""
        started = time.monotonic()
        committed = CommittedService(self._source, commit, name, service)
        lock = committed.lock()
        check = None if service.test is None else _Check(service.test, committed.test_lock(), _env_of_tests(service))
        environment = self._environments.ensure(lock, name, tell)
        self._check_programs(committed, environment, name)
        content = {
            "tree": self._source.tree_id(commit, service.path),
            "environment": environment.digest,
            "interpreter": interpreter(),
            **self._included(commit, service),
        }
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        job = _Job(commit, name, check, self._artifacts / digest, self._artifacts / f".work-{digest}", tell)
        with locked(self._artifacts / f".{digest}.lock", 2 * self._test_timeout, f"building {name}"):
            _clear(job.work)
            try:
                if not _is_whole(job.place):
                    self._make(job, service, content)
                    tell(f"{name}: built {digest[:6]} in {time.monotonic() - started:.1f} s")
                elif check is not None and not (job.place / "passed" / check.key).exists():
                    copy_for_writing(job.place / "tree", job.work / "test")
                    self._test(job, job.place)
                    tell(f"{name}: unchanged, {digest[:6]} passed its new tests")
                else:
                    tell(f"{name}: unchanged, {digest[:6]}")
            finally:
                _clear(job.work)
        touch(job.place)
        tree = job.place / "tree"
        baked = read_baked(tree, service.baked, name) if service.baked is not None else None
        return Artifact(name, digest, Address(str(tree), environment.path).text(), baked)

    def verify(self, artifact: Artifact) -> None:
        """Raise Refused unless the artifact lies on disk, file by file, as it was built."""
        address = address_of(artifact)
        tree = Path(address.tree)
        stored = _read(tree.parent)
        again = "deploy its commit again: it is built afresh"
        if stored is None or stored["digest"] != artifact.digest:
            raise Refused(
                f"artifact {artifact.short} of {artifact.service} is not in {tree.parent} any more", fix=again
            )
        if address.environment and not is_whole(Path(address.environment)):
            raise Refused(f"the environment of {artifact.service} is not in {address.environment} any more", fix=again)
        if changed := differences(tree, stored["files"]):
            named = ", ".join(changed[:_NAMED_FILES]) + (" …" if len(changed) > _NAMED_FILES else "")
            raise Refused(
                f"artifact {artifact.short} of {artifact.service} was changed on disk after its build: {named}",
                fix=again,
            )

    def _check_programs(self, committed: CommittedService, environment: PythonEnvironment, name: str) -> None:
        path = self._environments.variables(environment.path, "")["PATH"]
        for key in ("command", "before_traffic"):
            for mistake in committed.program_mistakes(key, path):
                raise UsageError(f"{name}: `{key}` cannot run: {mistake.what}", fix=mistake.fix)

    def _included(self, commit: Commit, service: Service) -> dict[str, Any]:
        """What `include` adds to an artifact's content. Where links lead depends on where the service's folder lies."""
        trees = {folder: self._source.tree_id(commit, folder) for folder in service.include}
        return {"path": service.path, "include": trees} if trees else {}

    def _make(self, job: _Job, service: Service, content: dict[str, Any]) -> None:
        made = job.work / "artifact"
        tree = made / "tree"
        self._source.export(job.commit, service.path, tree, service.include)
        if job.check is not None:
            copy_for_writing(tree, job.work / "test")
        with ThreadPoolExecutor(1) as beside:
            compiled = beside.submit(compile_tree, tree, job.place / "tree")
            self._test(job, made)
            compiled.result()
        origin = {"digest": job.place.name, "service": job.name, "commit": job.commit.id}
        stored = {**origin, **content, "files": file_digests(tree)}
        seal(tree)
        write_atomically(made / "artifact.json", json.dumps(stored, indent=1, sort_keys=True).encode())
        if job.place.exists():
            job.tell(f"{job.name}: the artifact {job.place.name[:6]} on disk was damaged; this build takes its place")
            job.place.rename(job.work / "damaged")
        made.rename(job.place)

    def _test(self, job: _Job, home: Path) -> None:
        """Run the tests in their copy of the tree; `home` is the artifact that then carries the mark."""
        if job.check is None:
            return
        environment = self._environments.ensure(job.check.lock, f"{job.name}'s tests", job.tell)
        log = self._logs / f"{job.commit.short}-{job.name}.log"
        log.unlink(missing_ok=True)
        job.tell(f"{job.name}: testing with `{job.check.command}`")
        wrong = run_tests(
            job.check.command,
            job.work / "test",
            variables=self._environments.variables(environment.path, str(job.work / "test")),
            env=job.check.env,
            readable=[self._environments.programs(environment.path).parent],
            confinement=self._confinement,
            mark=str(job.work),
            log=log,
            timeout=self._test_timeout,
        )
        if wrong is not None:
            said = with_log(wrong, log_file.tail(log, _LOG_LINES))
            raise Refused(
                f"{job.name} at {job.commit.short} failed its tests: {said}",
                fix=f"correct it and commit; the whole log: {log}",
                state="nothing was built and nothing was deployed",
            )
        passed = home / "passed" / job.check.key
        passed.parent.mkdir(exist_ok=True)
        write_atomically(passed, job.check.command.encode())


def _env_of_tests(service: Service) -> dict[str, str]:
    """The service's variables. Its secrets are there, so that its program starts; their values are not."""
    return dict.fromkeys(service.secrets, PLACEHOLDER) | service.env


def _is_whole(place: Path) -> bool:
    """Whether an artifact is there, and its files are as they were built."""
    stored = _read(place)
    return stored is not None and not differences(place / "tree", stored["files"])


def _read(place: Path) -> dict[str, Any] | None:
    try:
        stored: dict[str, Any] = json.loads((place / "artifact.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return stored if {"digest", "files"} <= stored.keys() else None


def _clear(work: Path) -> None:
    if work.exists():
        # What an interrupted build left may still run in there.
        end_marked(MARK, str(work))
        remove_tree(work)
