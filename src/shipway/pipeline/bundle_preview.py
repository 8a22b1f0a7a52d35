"""What a deploy of a commit would do with the bundle of its app: built or not, to whom, and what the gate says of it."""

from __future__ import annotations

from dataclasses import replace

from shipway.core.apps.gate import BundleInUse, Foreseen
from shipway.core.apps.offering import Offering
from shipway.core.apps.remarks import remarks
from shipway.core.description.app import App
from shipway.core.errors import Refused, ShipwayError
from shipway.core.releases.release import Commit, Release
from shipway.core.views.releases import PreviewedStep
from shipway.pipeline.app_gate import AppGate
from shipway.pipeline.parts import Parts


class BundlePreview:
    """The bundle of the commit's app. Raises UsageError as its build would."""

    def __init__(self, parts: Parts, commit: Commit, described: App) -> None:
        self._parts, self._commit, self._described = parts, commit, described
        self._foreseen: Foreseen | None = None
        if described.device_app is not None:
            self._foreseen = parts.bundles.foresee(commit, *described.device_app)

    def notes(self) -> tuple[str, ...]:
        """What would be built, and what is lacking whatever the environment."""
        if self._foreseen is None or self._described.device_app is None:
            return ()
        name, bundle = self._described.device_app[0], self._foreseen.bundle
        built = f"{name} is unchanged: bundle {bundle.version}" if bundle is not None else f"{name} would be built"
        return (built, *remarks(self._described))

    def added_to(self, step: PreviewedStep) -> PreviewedStep:
        """The step, with what devices of its environment would be offered and what the gate would refuse."""
        serving = self._parts.serving(step.environment)
        if not self._described.apps and (serving is None or not serving.app.apps):
            return step
        notes, wrong = [], []
        if self._foreseen is not None:
            notes.append(self._offered(step.environment))
            try:
                self._parts.bundles.told(step.environment)
            except ShipwayError as error:
                notes.append(error.what)
        try:
            self._check(step.environment, serving, notes)
        except Refused as refused:
            wrong.append(refused.what)
        return replace(step, notes=(*step.notes, *notes), wrong=(*step.wrong, *wrong))

    def _check(self, environment: str, serving: Release | None, notes: list[str]) -> None:
        release, new = Release(f"commit {self._commit.short}", self._commit.id, self._described), None
        if self._foreseen is not None:
            bundle = self._foreseen.bundle
            version = bundle.version if bundle is not None else f"of commit {self._commit.short}"
            new = BundleInUse(version, self._foreseen.calls)
        gate = AppGate(self._parts.source, self._parts.bundles, self._parts.offerings, self._parts.clock)
        gate.check(environment, release, new, serving, notes.append)

    def _offered(self, environment: str) -> str:
        assert self._foreseen is not None
        assert self._described.device_app is not None
        steps, bundle = self._described.device_app[1].rollout.steps, self._foreseen.bundle
        offering = self._parts.offerings.of(environment)
        if bundle is not None and (known := _known(offering, bundle.version)) is not None:
            return known
        which = f"bundle {bundle.version}" if bundle is not None else "the new bundle"
        way = " → ".join(f"{share:g}" for share in (*steps, 100.0))
        instead = f", in place of {offering.candidate.version}" if offering.candidate is not None else ""
        return f"{which} would go to {way} % of the devices{instead}, once the release serves"


def _known(offering: Offering, version: str) -> str | None:
    """What would become of a bundle that devices know; None for another one."""
    if offering.candidate is not None and offering.candidate.version == version:
        return f"bundle {version} goes on: {offering.candidate.share:g} % of the devices are offered it"
    if offering.stable == version:
        return f"bundle {version} is every device's already"
    if (fault := offering.fault_of(version)) is not None:
        return f"bundle {version} was taken back and would not go out again: {fault}"
    return None
