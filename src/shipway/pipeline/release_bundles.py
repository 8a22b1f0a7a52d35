"""What a run does with the bundle of its release: it is built, held to the APIs that devices meet, and taken back."""

from __future__ import annotations

from shipway.core.contract.bundles import Bundle
from shipway.core.description.app import App
from shipway.core.releases.release import Commit, Release
from shipway.core.releases.run import Run
from shipway.pipeline.app_gate import AppGate
from shipway.pipeline.parts import Parts
from shipway.pipeline.run_records import RunRecords


class ReleaseBundles:
    """The bundles of releases, for the runs that bring them."""

    def __init__(self, parts: Parts, records: RunRecords) -> None:
        self._parts = parts
        self._records = records
        self._gate = AppGate(parts.source, parts.bundles, parts.offerings, parts.clock)

    def prepare(self, run: Run, commit: Commit, app: App) -> None:
        """Fetch what the build of the bundle needs. Before anything else is built: a network may be missing for it."""
        if app.device_app is not None:
            name, described = app.device_app
            self._parts.bundles.prepare(commit, name, described, lambda line: self._records.tell(run, "note", line))

    def build(self, run: Run, commit: Commit, app: App) -> Bundle | None:
        """The bundle of the app that devices run, if the description has one. Raises as `Bundles.build` does."""
        if app.device_app is None:
            return None
        name, described = app.device_app
        began = self._parts.clock()
        bundle = self._parts.bundles.build(commit, name, described, lambda line: self._records.tell(run, "note", line))
        self._records.tell(run, "done", f"built {name} {bundle.version}", seconds=self._parts.clock() - began)
        return bundle

    def check(self, run: Run, environment: str, release: Release) -> None:
        """Refuse a bundle that was changed, and bundles and APIs that devices may bring together and that do not fit."""
        if release.app_version is not None and release.app_digest is not None:
            self._parts.bundles.verify(release.app_version, release.app_digest)
        stable = self._parts.serving(environment)
        if any(one is not None and one.app.apps for one in (release, stable)):
            self._gate.check(
                environment, release, stable, lambda line: self._records.tell(run, "note", line, environment)
            )

    def before_traffic(self, run: Run, environment: str, release: Release, *, back: bool) -> None:
        """Before an API comes or goes back: say what devices are offered meanwhile.

        On the way back that is the bundle of the release that comes back, so that no newer bundle meets the older API.
        """
        record = self._parts.rollouts.record_of(environment)
        if back and release.id in record.history[-2:]:
            self._parts.offerings.go_back(environment, self._parts.serving(environment), release, run.id, run.by)
        elif release.app.apps:
            # So that the service that answers devices finds what to offer when it starts.
            self._parts.offerings.tell(environment)
