"""The gate between bundles and APIs: asked for every environment before a run starts anything there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from shipway.core.apps.gate import Api, BundleInUse, misfits, read_document, refuse
from shipway.core.contract.bundles import Told
from shipway.core.errors import ShipwayError
from shipway.core.ports.building import Bundles, Source
from shipway.core.releases.release import Release
from shipway.pipeline.offerings import Offerings

_NO_API = "does not say what its API answers, so bundles are not checked against it"


class AppGate:
    """Holds bundles to the APIs that devices may meet with them."""

    def __init__(self, source: Source, bundles: Bundles, offerings: Offerings, clock: Callable[[], float]) -> None:
        self._source, self._bundles, self._offerings, self._clock = source, bundles, offerings, clock

    def check(
        self,
        environment: str,
        release: Release,
        new: BundleInUse | None,
        stable: Release | None,
        tell: Callable[[str], None],
    ) -> None:
        """Raise Refused where a bundle and an API would not fit.

        The `new` bundle is held to the API that a rollback would bring back (`stable`) and to the release's, and so are
        the bundles that devices of the environment run to the release's. `tell` hears what could not be checked.
        """
        bundles = [] if new is None else [new]
        running = self._running(environment, new.version if new is not None else None, tell)
        pairs = [([*bundles, *running], self.api(release, tell))]
        if stable is not None and bundles:
            pairs.insert(0, (bundles, self.api(stable, tell)))
        refuse([one for bundles, api in pairs for one in misfits(bundles, api)], environment)

    def in_use(self, version: str, devices: int = 0) -> BundleInUse:
        """The bundle with what it calls. Raises as `Bundles.calls` does."""
        return BundleInUse(version, self._bundles.calls(version), devices)

    def api(self, release: Release, tell: Callable[[str], None] = lambda _: None) -> Api:
        """What the release's services answer, as their committed documents say."""
        documents = {}
        for name, service in release.app.services.items():
            if service.openapi is None:
                if any(name in app.calls for app in release.app.apps.values()):
                    tell(f"{name} of {release.id} {_NO_API}")
                continue
            commit = self._source.resolve(release.commit_of(name))
            documents[name] = read_document(
                self._source.read(commit, f"{service.path}/{service.openapi}"), service.openapi
            )
        return Api(release.id, documents)

    def _running(self, environment: str, but: str | None, tell: Callable[[str], None]) -> list[BundleInUse]:
        """The bundles that devices of the environment run or are offered."""
        offering = self._offerings.of(environment)
        told = self._offerings.told(environment)
        seen = {**offering.seen, **(told or Told()).running}
        found = []
        for version, devices in replace(offering, seen=seen).in_sight(self._clock()).items():
            if version == but:
                continue
            try:
                found.append(self.in_use(version, devices))
            except ShipwayError as error:
                tell(f"bundle {version}, on {devices:,} devices, can't be checked: {error}")
        return found
