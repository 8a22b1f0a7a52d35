"""What a person can ask about bundles: which there are, how they do on devices, who is offered which, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from shipway.core.access.roles import check_known, check_role
from shipway.core.apps.crashes import Crashes
from shipway.core.apps.gate import misfits, refuse
from shipway.core.apps.offering import (
    Candidate,
    Offering,
    begun,
    fixed,
    going_on,
    gone_back,
    promoted,
    read_share,
    taken_out,
)
from shipway.core.contract.bundles import BUILTIN, Told
from shipway.core.description.app import App
from shipway.core.description.device_app import BundleRollout, DeviceApp
from shipway.core.desk import AppDesk
from shipway.core.errors import Refused, UsageError
from shipway.core.ports.building import Bundles, Source
from shipway.core.releases.release import Release
from shipway.core.views.bundles import BundleInUseView, OfferingView, offering_view
from shipway.pipeline.app_gate import AppGate
from shipway.pipeline.offerings import Offerings


class AppParts(Protocol):
    """What the verbs need of a target's parts."""

    @property
    def source(self) -> Source: ...
    @property
    def bundles(self) -> Bundles: ...
    @property
    def offerings(self) -> Offerings: ...
    @property
    def clock(self) -> Callable[[], float]: ...
    @property
    def operator_app(self) -> Callable[[], App]: ...

    def serving(self, environment: str) -> Release | None:
        """The release that serves there."""


class PipelineApps(AppDesk):
    """The verbs over a target's parts. `may` refuses an action to a person who holds no role for it."""

    def __init__(self, parts: AppParts, may: Callable[[App, str, str, str], None] = check_role) -> None:
        self._parts = parts
        self._check_role = may
        self._offerings = parts.offerings
        self._gate = AppGate(parts.source, parts.bundles, parts.offerings, parts.clock)

    def list(self) -> Sequence[BundleInUseView]:
        self._described()
        offerings = [self._offerings.of(name) for name in self._parts.operator_app().environments]
        return [
            BundleInUseView(
                bundle, {one.environment: what for one in offerings if (what := _role(one, bundle.version))}
            )
            for bundle in self._parts.bundles.versions()
        ]

    def show(self, environment: str) -> OfferingView:
        self._known(environment)
        return self._view(environment)

    def crashes(self, environment: str) -> Crashes:
        self._known(environment)
        return self._parts.bundles.crashes(environment)

    def promote(self, environment: str, version: str | None, who: str, why: str) -> OfferingView:
        self._may(environment, who, "promote a bundle in")
        offering = self._offerings.of(environment)
        chosen = version or (offering.candidate.version if offering.candidate is not None else None)
        if chosen is None:
            raise Refused(
                f"no bundle is on its way in {environment}",
                fix="shipway app list, and name one",
                state="nothing changed",
            )
        self._check(environment, chosen)

        told = self._offerings.told(environment)

        def change(offering: Offering) -> Offering:
            return promoted(self._begun(offering, chosen, told, who), self._parts.clock())

        if offering.stable != chosen:
            self._offerings.change(environment, change, "promote bundle", who, why)
        return self._view(environment)

    def split(self, environment: str, share: str, who: str, why: str) -> OfferingView:
        version, percent = read_share(share)
        self._may(environment, who, "split the bundle in")
        self._check(environment, version)
        if self._offerings.of(environment).stable == version:
            raise UsageError(f"{environment} offers {version} to every device", fix="name another bundle")

        told = self._offerings.told(environment)

        def change(offering: Offering) -> Offering:
            return fixed(self._begun(offering, version, told, who), percent)

        self._offerings.change(environment, change, "split the bundle", who, why)
        return self._view(environment)

    def pause(self, environment: str, who: str, why: str, *, off: bool) -> OfferingView:
        action = "resume the bundle" if off else "pause the bundle"
        self._may(environment, who, f"{action} in")

        def change(offering: Offering) -> Offering:
            if offering.candidate is None:
                raise Refused(
                    f"no bundle is on its way in {environment}", fix="shipway app list", state="nothing changed"
                )
            if off:
                return going_on(offering, self._parts.clock())
            return replace(offering, candidate=replace(offering.candidate, paused=True))

        self._offerings.change(environment, change, action, who, why)
        return self._view(environment)

    def roll_back(self, environment: str, who: str, why: str) -> OfferingView:
        self._may(environment, who, "roll the bundle back in")
        reason = why or f"{who} took it back"

        def change(offering: Offering) -> Offering:
            now = self._parts.clock()
            if offering.candidate is not None:
                return taken_out(offering, reason, who, now)
            if offering.stable == BUILTIN:
                raise Refused(
                    f"{environment} offers no bundle: devices have the one that came with the native app",
                    fix="shipway status",
                    state="nothing changed",
                )
            return gone_back(offering, offering.before(), reason, who, now)

        self._offerings.change(environment, change, "roll the bundle back", who, why)
        return self._view(environment)

    def _begun(self, offering: Offering, version: str, told: Told | None, who: str) -> Offering:
        """The offering with the version as its candidate."""
        if offering.candidate is not None and offering.candidate.version == version:
            return offering
        now, native = self._parts.clock(), self._offerings.native(version) or "0"
        policy = self._policy(offering.environment)
        return begun(offering, Candidate(version, policy, None, who, now, now, native=native), told)

    def _check(self, environment: str, version: str) -> None:
        """Refuse a bundle that is not there whole, or would not fit the API that serves."""
        self._parts.bundles.verify(version, self._parts.bundles.bundle(version).content)
        if (release := self._parts.serving(environment)) is not None:
            refuse(misfits([self._gate.in_use(version)], self._gate.api(release)), environment)

    def _policy(self, environment: str) -> BundleRollout:
        release = self._parts.serving(environment)
        described = release.app.device_app if release is not None else None
        return (described or self._described())[1].rollout

    def _view(self, environment: str) -> OfferingView:
        return offering_view(self._offerings.of(environment), self._offerings.told(environment))

    def _may(self, environment: str, who: str, action: str) -> None:
        self._known(environment)
        self._check_role(self._parts.operator_app(), environment, who, action)

    def _known(self, environment: str) -> None:
        self._described()
        check_known(self._parts.operator_app(), environment)

    def _described(self) -> tuple[str, DeviceApp]:
        found = self._parts.operator_app().device_app
        if found is None:
            raise UsageError("shipway.yaml has no `apps:` section", fix="describe the app there that devices run")
        return found


def _role(offering: Offering, version: str) -> str:
    """What a bundle is there; empty for one that is nobody's."""
    if version == offering.stable:
        return "stable"
    if offering.candidate is not None and offering.candidate.version == version:
        return f"{offering.candidate.share:g} % of the devices"
    return "taken back" if offering.is_taken_back(version) else ""
