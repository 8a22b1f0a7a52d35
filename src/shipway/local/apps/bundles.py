"""Bundles on one machine: a builder, a bucket, a parameter for each environment, and the tasks that answer devices."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from shipway.core.apps.gate import CalledApi
from shipway.core.contract.bundles import Bundle, BundlesError, Offer, Told, read_offer, read_told
from shipway.core.description.device_app import DeviceApp
from shipway.core.errors import ShipwayError
from shipway.core.ports import Bundles, Tell
from shipway.core.releases.release import Commit
from shipway.local.apps.bucket import BundleBucket
from shipway.local.apps.bundle_builder import BundleBuilder
from shipway.local.model_tasks.parameters import FileParameters
from shipway.local.tasks.readiness import ask

PATH = "/bundles"
_TIMEOUT = 1.0
_MOST_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class LocalBundles(Bundles):
    """`ports` answers where the tasks listen that answer an environment's devices: all of them know the same."""

    builder: BundleBuilder
    bucket: BundleBucket
    parameters: FileParameters
    ports: Callable[[str], Iterable[int]]

    def build(self, commit: Commit, name: str, app: DeviceApp, tell: Tell) -> Bundle:
        return self.builder.build(commit, name, app, tell)

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
        said = "no task that answers devices runs"
        for port in self.ports(environment):
            answer = ask(port, PATH, _TIMEOUT, _MOST_BYTES)
            try:
                if answer.ready and answer.body is not None:
                    return read_told(json.dumps(answer.body))
                said = answer.said
            except BundlesError as error:
                said = f"{PATH}: {error}"
        raise ShipwayError(f"what became of bundles in {environment} is unknown: {said}", fix="shipway status")


def parameter(environment: str) -> str:
    """The name of the parameter that says what the environment's devices are offered."""
    return f"/{environment}/app-bundles"
