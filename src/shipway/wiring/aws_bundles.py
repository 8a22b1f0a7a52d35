"""The app's bundles on AWS: the pipeline's own offerings and verbs, over S3, Parameter Store and a schedule."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from shipway.aws.bundles import AwsBundles
from shipway.aws.calls import Calls
from shipway.aws.looks import Looks
from shipway.aws.names import Names
from shipway.aws.offering_records import OfferingRecords
from shipway.aws.parameters import Parameters
from shipway.aws.release_store import LostRace, ReleaseStore
from shipway.core.description.app import App
from shipway.core.desk import AppDesk
from shipway.core.ports.building import Source
from shipway.core.releases.release import Release
from shipway.core.views.bundles import OfferingView, offering_view
from shipway.pipeline.app_gate import AppGate
from shipway.pipeline.desk.apps import AppParts, PipelineApps
from shipway.pipeline.offerings import Offerings

_TRIES = 5
"""How often a change is made anew that lost against somebody else's."""


@dataclass(frozen=True, slots=True)
class Offered:
    """The bundles of an app, the records of what its environments' devices are offered, and who changes those."""

    bundles: AwsBundles
    records: OfferingRecords
    offerings: Offerings


def offered(
    names: Names, calls: Calls, store: ReleaseStore, environments: Collection[str], tell: Callable[[str], None]
) -> Offered:
    """Those of some environments; `tell` hears what happens to bundles."""
    bundles = AwsBundles(calls, names, Parameters(calls))
    records = OfferingRecords(store, Looks(calls, names), environments, tell)
    return Offered(bundles, records, Offerings(records, bundles, time.time))


class AppBundles(AppParts):
    """The bundles of one app, of which `source` says what its releases' services answer."""

    def __init__(
        self,
        app: App,
        names: Names,
        calls: Calls,
        store: ReleaseStore,
        source: Source,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._app, self._store, self._source = app, store, source
        self._offered = offered(names, calls, store, tuple(app.environments), tell)

    @property
    def source(self) -> Source:
        return self._source

    @property
    def bundles(self) -> AwsBundles:
        return self._offered.bundles

    @property
    def offerings(self) -> Offerings:
        return self._offered.offerings

    @property
    def clock(self) -> Callable[[], float]:
        return time.time

    @property
    def operator_app(self) -> Callable[[], App]:
        return lambda: self._app

    def desk(self) -> AppDesk:
        """The verbs. IAM says who may do what, so roles of shipway.yaml are not asked."""
        return PipelineApps(self, lambda *_: None)

    def serving(self, environment: str) -> Release | None:
        kept = self._store.history(environment)
        stable = kept.record.stable if kept is not None else None
        return self._store.release(stable) if stable is not None else None

    def shown(self, environment: str) -> OfferingView | None:
        """What the environment's devices are offered; None for an app without bundles."""
        return offering_view(self.offerings.of(environment)) if self._app.apps else None


@dataclass(frozen=True, slots=True)
class ReleaseOnDevices:
    """What a rollout does with the bundle of its release, as a run on one machine does.

    `stable` is the release that serves before it. `source` is the repository that says what the releases' services answer,
    None where it is not at hand. `run` names the rollout.
    """

    offered: Offered
    environment: str
    release: Release
    stable: Release | None
    source: Source | None
    run: str
    by: str
    tell: Callable[[str], None]

    def before(self, *, back: bool) -> None:
        """Hold bundles and APIs to each other; on the way back, give devices the bundle first. Raises Refused."""
        bundles, offerings, release = self.offered.bundles, self.offered.offerings, self.release
        if release.app_version is not None and release.app_digest is not None:
            bundles.verify(release.app_version, release.app_digest)
        if self.source is not None:
            gate = AppGate(self.source, bundles, offerings, time.time)
            new = gate.in_use(release.app_version) if release.app_version is not None else None
            gate.check(self.environment, release, new, self.stable, self.tell)
        else:
            self.tell(f"{self.environment}: bundles are not held to the API, as there is no source at hand")
        if back:
            _surely(lambda: offerings.go_back(self.environment, self.stable, release, self.run, self.by))
        elif release.app.apps:
            # So that the service that answers devices finds what to offer when it starts.
            offerings.tell(self.environment)

    def after(self) -> None:
        """Once the API was read back: let the bundle go out, unless it does already."""
        _surely(lambda: self.offered.offerings.bring(self.environment, self.release, self.run, self.by))


def _surely(change: Callable[[], None]) -> None:
    """Make a change that may be repeated, until nobody else's comes between."""
    for _ in range(_TRIES - 1):
        try:
            return change()
        except LostRace:
            continue
    return change()
