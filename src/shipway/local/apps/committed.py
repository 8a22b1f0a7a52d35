"""An app that devices run, as a commit holds it: what its build needs, and what its bundle will call. Builds nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from shipway.core.apps.gate import CalledApi, check_document
from shipway.core.compatibility.operations import operations_of
from shipway.core.contract.bundles import BundlesError, native_key, native_of
from shipway.core.description.device_app import Calls, DeviceApp
from shipway.core.errors import UsageError
from shipway.core.releases.release import Commit
from shipway.local.apps.node import check_lock
from shipway.local.builds.python_environment import NO_LOCK
from shipway.local.source.git_source import GitSource

PACKAGE = "package.json"


class CommittedDeviceApp:
    """The app `name` at a commit. What is not as it must be raises UsageError."""

    def __init__(self, source: GitSource, commit: Commit, name: str, app: DeviceApp) -> None:
        self._source, self._commit, self._name, self._app = source, commit, name, app

    def tree(self) -> str:
        """The id of its folder's git tree."""
        return self._source.tree_id(self._commit, self._app.path)

    def package(self) -> Mapping[str, Any] | None:
        """Its package.json; None for an app that has none, which then needs no Node."""
        if self._app.lock == NO_LOCK and not self._source.has(self._commit, f"{self._app.path}/{PACKAGE}"):
            return None
        return self._json(PACKAGE)

    def lock(self) -> bytes | None:
        """The lock file of npm; None where nothing is to be installed."""
        if self._app.lock == NO_LOCK:
            return None
        lock = self._read(self._app.lock)
        check_lock(lock, self._name)
        return lock

    def tools(self) -> bytes | None:
        """The lock file of the wheels that bring Node, if there is one."""
        return None if self._app.tools is None else self._read(self._app.tools)

    def native(self) -> str:
        """The native version that its bundle needs."""
        found = self._json(self._app.native)
        native = native_of(str(found.get("version", "")), str(found.get("build", "")))
        try:
            native_key(native)
        except BundlesError as error:
            what = f"{self._name}: {self._app.path}/{self._app.native}: {error}"
            raise UsageError(what, fix='write it as {"version": "1.4.0", "build": 12}') from None
        return native

    def calls(self) -> dict[str, CalledApi]:
        """What it calls, by service."""
        return {service: self._called(service, calls) for service, calls in self._app.calls.items()}

    def mistakes(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """All that is wrong, as keys of shipway.yaml below the app's own, with what it is and how it is mended."""
        checks = {
            ("path",): self.tree, ("lock",): self.lock, ("path", PACKAGE): self.package, ("tools",): self.tools,
            ("native",): self.native,
        }  # fmt: skip
        for key, check in checks.items():
            try:
                check()
            except UsageError as error:
                yield key[:1], f"{error.what}; {error.fix}"
                if key == ("path",):
                    return
        for service, calls in self._app.calls.items():
            try:
                self._called(service, calls)
            except UsageError as error:
                yield ("calls", service), f"{error.what}; {error.fix}"

    def _called(self, service: str, calls: Calls) -> CalledApi:
        path = f"{self._app.path}/{calls.document}"
        document = self._json(calls.document)
        check_document(document, f"{self._name}: {path}")
        known = operations_of(document)
        for operation in (*calls.operations, *calls.optional):
            if operation not in known:
                raise UsageError(
                    f"{self._name}: calls.{service} names {operation}, which {path} does not have",
                    fix=f"take the service's document over, or name one of: {', '.join(known[:20])}",
                )
        return CalledApi(document, calls.operations or tuple(known), calls.optional)

    def _json(self, file: str) -> dict[str, Any]:
        path = f"{self._app.path}/{file}"
        try:
            found = json.loads(self._read(file))
        except ValueError as error:
            raise UsageError(f"{self._name}: {path} is not JSON: {error}", fix="correct it and commit") from None
        if not isinstance(found, dict):
            raise UsageError(f"{self._name}: {path} holds no JSON object", fix="correct it and commit")
        return found

    def _read(self, file: str) -> bytes:
        return self._source.read(self._commit, f"{self._app.path}/{file}")
