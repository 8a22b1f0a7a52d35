"""Bundles in memory, and what devices do with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shipway.core.apps.crashes import Crashes
from shipway.core.apps.gate import CalledApi, Foreseen
from shipway.core.contract.bundles import Bundle, Offer, Told, version_of
from shipway.core.description.device_app import DeviceApp
from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.core.ports.building import Bundles
from shipway.core.ports.telling import Tell
from shipway.core.releases.release import Commit


class FakeBundles(Bundles):
    """Builds at once. `contents` are the commits that hold another's app; `failing` ones fail their tests.

    `offers` are what devices are offered, `counts` what became of it: None while nobody can be asked. `called` is what
    the next bundles call. `damaged` are versions that were changed after their build; `deaf` tells nobody anything;
    `offline` fetches nothing.
    """

    def __init__(self) -> None:
        self.contents: dict[str, str] = {}
        self.failing: set[str] = set()
        self.damaged: set[str] = set()
        self.offers: dict[str, Offer] = {}
        self.counts: Told | None = Told()
        self.called: Mapping[str, CalledApi] = {}
        self.native = "1.0"
        self.errors = Crashes()
        self.deaf = False
        self.offline = False
        self._built: dict[str, Bundle] = {}
        self._calls: dict[str, Mapping[str, CalledApi]] = {}

    def prepare(self, commit: Commit, name: str, app: DeviceApp, tell: Tell) -> None:
        if self.offline:
            raise ShipwayError(f"{name}: its packages could not be fetched", fix="correct the connection")

    def build(self, commit: Commit, name: str, app: DeviceApp, tell: Tell) -> Bundle:
        if commit.id in self.failing:
            raise Refused(f"{name} failed its tests")
        content = self._content(commit)
        version = version_of("1.0.0", content)
        if version not in self._built:
            at = 1e9 + len(self._built)
            self._built[version] = Bundle(version, content, content, 1000, self.native, "1.0.0", commit.id, at)
        self._calls[version] = self.called
        return self._built[version]

    def foresee(self, commit: Commit, name: str, app: DeviceApp) -> Foreseen:
        return Foreseen(self._built.get(version_of("1.0.0", self._content(commit))), self.called)

    def _content(self, commit: Commit) -> str:
        return self.contents.get(commit.id, commit.id).encode().hex().ljust(64, "0")

    def versions(self) -> Sequence[Bundle]:
        return list(reversed(self._built.values()))

    def bundle(self, version: str) -> Bundle:
        if version not in self._built:
            raise UsageError(f"no bundle {version!r}", fix="shipway app list")
        return self._built[version]

    def calls(self, version: str) -> Mapping[str, CalledApi]:
        self.bundle(version)
        return self._calls[version]

    def verify(self, version: str, content: str) -> None:
        if version in self.damaged or self.bundle(version).content != content:
            raise Refused(f"bundle {version} was changed after its build")

    def offer(self, environment: str, offer: Offer) -> None:
        if self.deaf:
            raise OSError("the disk is full")
        self.offers[environment] = offer

    def offered(self, environment: str) -> Offer | None:
        return self.offers.get(environment)

    def told(self, environment: str) -> Told:
        if self.counts is None:
            raise ShipwayError(f"nothing in {environment} answers devices")
        return self.counts

    def failures(self, environment: str) -> Mapping[str, int]:
        if self.counts is None:
            raise ShipwayError(f"nothing in {environment} answers devices")
        return {version: one.failed + one.errors for version, one in self.counts.versions.items()}

    def crashes(self, environment: str) -> Crashes:
        self.told(environment)
        return self.errors
