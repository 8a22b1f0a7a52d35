"""Builds of an app's bundle: its committed tree, tested and built under confinement, then put into the bucket."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shipway.core.apps.gate import CalledApi, check_document
from shipway.core.compatibility.operations import operations_of
from shipway.core.contract.bundles import Bundle, BundlesError, native_key, native_of, version_of
from shipway.core.description.device_app import Calls, DeviceApp
from shipway.core.errors import Refused, UsageError
from shipway.core.logs.headline import with_log
from shipway.core.ports.telling import Tell
from shipway.core.releases.release import Commit
from shipway.local.apps.bucket import BundleBucket
from shipway.local.apps.content import Content, content_of
from shipway.local.apps.node import NodeEnvironment, NodeEnvironments
from shipway.local.builds.confinement import Confinement
from shipway.local.builds.python_environment import NO_LOCK
from shipway.local.builds.sealed_tree import copy_for_writing, remove_tree
from shipway.local.builds.service_tests import MARK, run_tests
from shipway.local.files import log_file
from shipway.local.files.atomic_file import write_atomically
from shipway.local.files.file_lock import locked
from shipway.local.source.git_source import GitSource
from shipway.local.tasks.process_table import end_marked

_PACKAGE = "package.json"
_TIMEOUT = 15 * 60.0
_LOG_LINES = 20


@dataclass(frozen=True, slots=True)
class _Job:
    """One build: of which commit, where it works, and whom it tells."""

    commit: Commit
    name: str
    app: DeviceApp
    work: Path
    environment: NodeEnvironment | None
    tell: Tell


class BundleBuilder:
    """Bundles of committed apps. `state` is `.shipway`; `apps/<digest>.json` there says what was built of which tree."""

    def __init__(
        self, state: Path, source: GitSource, bucket: BundleBucket, nodes: NodeEnvironments, confinement: Confinement
    ) -> None:
        self._built = state.absolute() / "apps"
        self._logs = state.absolute() / "builds"
        self._source, self._bucket, self._nodes, self._confinement = source, bucket, nodes, confinement

    def prepare(self, commit: Commit, name: str, app: DeviceApp, tell: Tell) -> None:
        """See `Bundles.prepare`."""
        self._environment(commit, name, app, self._package(commit, name, app), tell)

    def build(self, commit: Commit, name: str, app: DeviceApp, tell: Tell) -> Bundle:
        """See `Bundles.build`."""
        began = time.monotonic()
        package, native = self._package(commit, name, app), self._native(commit, name, app)
        calls = {service: self._called(commit, name, app, service, one) for service, one in app.calls.items()}
        environment = self._environment(commit, name, app, package, tell)
        inputs = {
            "tree": self._source.tree_id(commit, app.path),
            "commands": [app.test, app.build, app.bundle],
            "environment": environment.digest if environment is not None else None,
        }
        key = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
        with locked(self._built / f".{key}.lock", 2 * _TIMEOUT, f"building {name}"):
            if (known := self._known(key)) is not None:
                tell(f"{name}: unchanged, {known.version}")
                return self._bucket.note_calls(known, calls)
            job = _Job(commit, name, app, self._built / f".work-{key}", environment, tell)
            _clear(job.work)
            try:
                content = self._make(job)
                bundle = self._bucket.add(_described(content, package, native, job, calls), content, calls)
            finally:
                _clear(job.work)
            write_atomically(self._built / f"{key}.json", json.dumps({"version": bundle.version}).encode())
            tell(f"{name}: built {bundle.version} in {time.monotonic() - began:.1f} s, {bundle.size / 1000:,.0f} kB")
            return bundle

    def _make(self, job: _Job) -> Content:
        tree, app = job.work / "tree", job.app
        self._source.export(job.commit, app.path, tree)
        if app.test is not None:
            copy_for_writing(tree, job.work / "test")
            self._run(job, "test", app.test, job.work / "test")
        shutil.rmtree(tree / app.bundle, ignore_errors=True)
        self._run(job, "build", app.build, tree)
        return content_of(tree / app.bundle, job.name)

    def _run(self, job: _Job, key: str, command: str, tree: Path) -> None:
        """Run the app's `test` or `build` in a tree. Raises Refused with its last lines when it fails."""
        log = self._logs / f"{job.commit.short}-{job.name}-{key}.log"
        log.unlink(missing_ok=True)
        job.tell(f"{job.name}: `{command}`")
        environment = job.environment
        wrong = run_tests(
            command,
            tree,
            variables=environment.variables() if environment is not None else _BARE,
            env={},
            readable=environment.readable if environment is not None else (),
            mounted=self._packages(environment, tree),
            confinement=self._confinement,
            mark=str(job.work),
            log=log,
            timeout=_TIMEOUT,
            key=key,
        )
        if wrong is not None:
            what = "failed its tests" if key == "test" else "could not be built"
            raise Refused(
                f"{job.name} at {job.commit.short} {what}: {with_log(wrong, log_file.tail(log, _LOG_LINES))}",
                fix=f"correct it and commit; the whole log: {log}",
                state="nothing was published and nothing was deployed",
            )

    def _packages(self, environment: NodeEnvironment | None, tree: Path) -> Mapping[Path, Path]:
        """What is to be read below `node_modules`, one by one, so that tools find a folder there that they may write to.

        Where nothing is confined, a copy is put there instead.
        """
        if environment is None or environment.packages is None:
            return {}
        if not self._confinement.works:
            shutil.copytree(environment.packages, tree / "node_modules", symlinks=True, dirs_exist_ok=True)
            return {}
        return {tree / "node_modules" / entry.name: entry for entry in environment.packages.iterdir()}

    def _known(self, key: str) -> Bundle | None:
        """What was built of these inputs before, if it is still whole."""
        try:
            version = json.loads((self._built / f"{key}.json").read_bytes())["version"]
            bundle = self._bucket.bundle(version)
        except (OSError, ValueError, KeyError, TypeError, UsageError, Refused):
            return None
        return bundle if self._bucket.is_whole(version, bundle.content) else None

    def _environment(
        self, commit: Commit, name: str, app: DeviceApp, package: Mapping[str, Any] | None, tell: Tell
    ) -> NodeEnvironment | None:
        if package is None:
            return None
        lock = None if app.lock == NO_LOCK else self._source.read(commit, f"{app.path}/{app.lock}")
        tools = None if app.tools is None else self._source.read(commit, f"{app.path}/{app.tools}")
        return self._nodes.ensure(package, lock, tools, name, tell)

    def _package(self, commit: Commit, name: str, app: DeviceApp) -> Mapping[str, Any] | None:
        """Its package.json; None for an app that has none, which then needs no Node."""
        if app.lock == NO_LOCK and not self._source.has(commit, f"{app.path}/{_PACKAGE}"):
            return None
        return self._json(commit, name, f"{app.path}/{_PACKAGE}")

    def _native(self, commit: Commit, name: str, app: DeviceApp) -> str:
        """The native version that it needs."""
        path = f"{app.path}/{app.native}"
        found = self._json(commit, name, path)
        native = native_of(str(found.get("version", "")), str(found.get("build", "")))
        try:
            native_key(native)
        except BundlesError as error:
            raise UsageError(f"{name}: {path}: {error}", fix='write it as {"version": "1.4.0", "build": 12}') from None
        return native

    def _called(self, commit: Commit, name: str, app: DeviceApp, service: str, calls: Calls) -> CalledApi:
        """What it calls of a service. Raises UsageError for operations that its own copy of the document lacks."""
        path = f"{app.path}/{calls.document}"
        document = self._json(commit, name, path)
        check_document(document, f"{name}: {path}")
        known = operations_of(document)
        for operation in (*calls.operations, *calls.optional):
            if operation not in known:
                raise UsageError(
                    f"{name}: calls.{service} names {operation}, which {path} does not have",
                    fix=f"take the service's document over, or name one of: {', '.join(known[:20])}",
                )
        return CalledApi(document, calls.operations or tuple(known), calls.optional)

    def _json(self, commit: Commit, name: str, path: str) -> dict[str, Any]:
        try:
            found = json.loads(self._source.read(commit, path))
        except ValueError as error:
            raise UsageError(f"{name}: {path} is not JSON: {error}", fix="correct it and commit") from None
        if not isinstance(found, dict):
            raise UsageError(f"{name}: {path} holds no JSON object", fix="correct it and commit")
        return found


_BARE = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "CI": "true"}


def _described(
    content: Content, package: Mapping[str, Any] | None, native: str, job: _Job, calls: Mapping[str, CalledApi]
) -> Bundle:
    """Its metadata, but for what only the zip tells."""
    named = str(package.get("version", "0.0.0")) if package is not None else native
    digest = content.digest
    try:
        version = version_of(named, digest)
    except BundlesError as error:
        raise UsageError(f"{job.name}: {_PACKAGE}: {error}", fix=f"correct `version` in {_PACKAGE}") from None
    uses = {service: one.used for service, one in calls.items()}
    return Bundle(version, digest, digest, 0, native, named, job.commit.id, time.time(), uses)


def _clear(work: Path) -> None:
    if work.exists():
        # What an interrupted build left may still run in there.
        end_marked(MARK, str(work))
        remove_tree(work)
