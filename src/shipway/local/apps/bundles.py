"""Bundles on one machine: a builder, a bucket, a parameter for each environment, and the tasks that answer devices."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from shipway.core.apps.crashes import Crash, Crashes, frames, read_crashes
from shipway.core.apps.gate import CalledApi, Foreseen
from shipway.core.contract.bundles import Bundle, BundlesError, Offer, Told, read_failures, read_offer, read_told
from shipway.core.description.device_app import DeviceApp
from shipway.core.errors import ShipwayError
from shipway.core.ports.building import Bundles
from shipway.core.ports.telling import Tell
from shipway.core.releases.release import Commit
from shipway.local.apps.bucket import BundleBucket
from shipway.local.apps.bundle_builder import BundleBuilder
from shipway.local.apps.source_maps import SourceMaps
from shipway.local.model_tasks.parameters import FileParameters
from shipway.local.tasks.readiness import ask

T = TypeVar("T")
_TIMEOUT = 1.0
_MOST_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class LocalBundles(Bundles):
    """`ports` answers where the tasks listen that answer an environment's devices: all of them know the same."""

    builder: BundleBuilder
    bucket: BundleBucket
    parameters: FileParameters
    ports: Callable[[str], Iterable[int]]

    def prepare(self, commit: Commit, name: str, app: DeviceApp, tell: Tell) -> None:
        self.builder.prepare(commit, name, app, tell)

    def build(self, commit: Commit, name: str, app: DeviceApp, tell: Tell) -> Bundle:
        return self.builder.build(commit, name, app, tell)

    def foresee(self, commit: Commit, name: str, app: DeviceApp) -> Foreseen:
        return self.builder.foresee(commit, name, app)

    def versions(self) -> Sequence[Bundle]:
        return self.bucket.versions()

    def bundle(self, version: str) -> Bundle:
        return self.bucket.bundle(version)

    def calls(self, version: str) -> Mapping[str, CalledApi]:
        return self.bucket.calls(version)

    def verify(self, version: str, content: str) -> None:
        self.bucket.verify(version, content)

    def offer(self, environment: str, offer: Offer) -> None:
        name, text = parameter(environment), offer.text()
        if self.parameters.get(name) != text:
            self.parameters.put(name, text)

    def offered(self, environment: str) -> Offer | None:
        text = self.parameters.get(parameter(environment))
        try:
            return read_offer(text) if text is not None else None
        except BundlesError:
            return None

    def told(self, environment: str) -> Told:
        return self._asked(environment, "/bundles", lambda body: read_told(json.dumps(body)))

    def failures(self, environment: str) -> Mapping[str, int]:
        return self._asked(environment, "/failures", lambda body: read_failures(json.dumps(body)))

    def crashes(self, environment: str) -> Crashes:
        found = self._asked(environment, "/crashes", read_crashes)
        maps = {one.version: SourceMaps(self.bucket.maps(one.version)) for one in found.crashes}
        return replace(found, crashes=tuple(_placed(one, maps[one.version]) for one in found.crashes))

    def _asked(self, environment: str, path: str, read: Callable[[Mapping[str, Any]], T]) -> T:
        """What one of the tasks answers there. Raises ShipwayError where none does."""
        said = "no task that answers devices runs"
        for port in self.ports(environment):
            answer = ask(port, path, _TIMEOUT, _MOST_BYTES)
            try:
                if answer.ready and answer.body is not None:
                    return read(answer.body)
                message = (answer.body or {}).get("message")
                said = f"{answer.said}: {message[:300]}" if isinstance(message, str) else answer.said
            except ValueError as error:
                said = f"{path}: {error}"
        raise ShipwayError(f"what became of bundles in {environment} is unknown: {said}", fix="shipway status")


def _placed(crash: Crash, maps: SourceMaps) -> Crash:
    """The crash with its innermost place that is the app's own, else the innermost one of the bundle."""
    found = [(frame, maps.place(frame)) for frame in frames(crash.stack)]
    own = [place for _, place in found if place is not None and "node_modules/" not in place]
    mapped = [place for _, place in found if place is not None]
    built = [f"{frame.file}:{frame.line}:{frame.column}" for frame, _ in found]
    return replace(crash, place=next(iter([*own, *mapped, *built]), ""))


def parameter(environment: str) -> str:
    """The name of the parameter that says what the environment's devices are offered."""
    return f"/{environment}/app-bundles"
