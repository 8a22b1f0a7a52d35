"""What every environment's devices are offered: begun by releases, judged again and again, taken back by itself.

The record says it first; then whoever answers the devices is told. What a crash left between the two is made good by
the next look. Nothing here waits for that service: it follows its parameter, with or without a control plane.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from shipway.core.apps.offering import (
    Candidate,
    Judged,
    Offering,
    begun,
    counting,
    gone_back,
    judged,
    moved,
    recalled,
    unknown,
    way_back,
)
from shipway.core.apps.retention import kept_bundles
from shipway.core.contract.bundles import BUILTIN, Offer, Told
from shipway.core.errors import ShipwayError
from shipway.core.events import PLATFORM, AuditEntry, Event, EventKind
from shipway.core.ports.building import Bundles
from shipway.core.ports.state import Records
from shipway.core.releases.release import Release
from shipway.pipeline.bundle_looks import BundleLooks
from shipway.pipeline.clock_jumps import ClockJumps


class Offerings:
    """Changes the records of offerings. Safe to use from several threads."""

    def __init__(
        self,
        store: Records,
        bundles: Bundles,
        clock: Callable[[], float],
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._bundles = bundles
        self._clock = clock
        self._steady = steady
        self._jumps = ClockJumps(clock, steady)
        # Held from reading a record until devices are told, so that the newest record wins.
        self._telling = threading.Lock()
        self._looks = BundleLooks(bundles, steady)
        self._unasked: dict[str, float] = {}

    def of(self, environment: str) -> Offering:
        """What is offered there; after the database was lost, what devices are offered still says it."""
        found = self._store.get(Offering, environment)
        return found or recalled(environment, self._bundles.offered(environment), self._clock())

    def told(self, environment: str) -> Told | None:
        """What became of bundles there; None while nothing that answers the devices can be asked."""
        try:
            return self._bundles.told(environment)
        except ShipwayError:
            return None

    def needed(self, environments: Iterable[str], newest: int) -> set[str]:
        """The bundles that devices of these environments need, or of any other one that has offered some.

        See `kept_bundles`. What devices are offered counts as well as the record, which may be lost.
        """
        found = set()
        for name in {*environments, *(one.environment for one in self._store.all(Offering))}:
            offering, told, offered = self.of(name), self.told(name), self._bundles.offered(name)
            seen = {**offering.seen, **(told or Told()).running}
            offers = [self._wanted(name), *([offered] if offered is not None else [])]
            found |= kept_bundles(newest, replace(offering, seen=seen), offers, self._clock())
        return found

    def native(self, version: str) -> str | None:
        """The lowest native version that can run the bundle; None for one that is not in the bucket."""
        try:
            return self._bundles.bundle(version).native
        except ShipwayError:
            return None

    def bring(self, environment: str, release: Release, run: str, by: str) -> None:
        """Let the bundle of a release that serves now go out, unless it does already.

        Raises ShipwayError unless what devices are offered can be read back.
        """
        described = release.app.device_app
        if release.app_version is None or described is None:
            return
        version, policy, now = release.app_version, described[1].rollout, self._clock()
        candidate = Candidate(version, policy, release.id, by, now, now, native=self.native(version) or "0")
        told = self.told(environment)
        with self._store.transaction():
            before = self.of(environment)
            after = self._brought(before, candidate, told, run)
            if after != before:
                self._put(after)
                text = _goes(after.candidate) if after.candidate is not None else f"bundle {version} stays"
                self._say("note", text, environment, run)
        self._tell_surely(environment)

    def go_back(self, environment: str, leaving: Release | None, release: Release, run: str, by: str) -> None:
        """Before a release goes back: give devices its bundle. Whatever fails here is tried again; nobody waits for it."""
        left = leaving.app_version if leaving is not None and leaving.app_version is not None else BUILTIN
        with self._store.transaction():
            before = self.of(environment)
            to = way_back(before, left, release.app_version or BUILTIN)
            why = f"the release went back to {release.id}"
            after = gone_back(before, to, why, by, self._clock(), with_release=True)
            if after == before:
                return
            self._put(after)
            self._say("note", f"devices are given bundle {after.stable}", environment, run)
            detail = {"stable": after.stable, "before": before.stable, "run": run}
            self._audit(by, "give devices the bundle before", environment, why, detail)
        try:
            self.tell(environment)
        except (ShipwayError, OSError) as error:
            self._say("fail", f"devices are not told of it yet: {error}", environment, run)

    def change(
        self, environment: str, change: Callable[[Offering], Offering], action: str, who: str, why: str
    ) -> Offering:
        """A person's change, audited; devices are told at once, which is read back."""
        with self._store.transaction():
            before = self.of(environment)
            after = change(before)
            if after != before:
                self._put(after)
                self._say("note", f"{action} by {who}: {told_in_short(after)}", environment)
                self._audit(who, action, environment, why, _detail(after))
        self._tell_surely(environment)
        return after

    def tell(self, environment: str) -> None:
        """Write what the record says for whoever answers the devices, unless it is there."""
        with self._telling:
            self._offer(environment)

    def _tell_surely(self, environment: str) -> None:
        """Do as `tell`. Raises ShipwayError unless it can be read back."""
        with self._telling:
            wanted = self._offer(environment)
            found = self._bundles.offered(environment)
        if found != wanted:
            raise ShipwayError(
                f"{environment} should offer {told_in_short(self.of(environment))}, and offers {found}",
                fix=f"shipway app show --env {environment}",
                state="the API serves; devices keep their bundles",
            )

    def tend(self) -> None:
        """Look at every environment's bundles, and do what follows. Raises the last error once all were looked at."""
        _, jump = self._jumps.look()
        failed: ShipwayError | OSError | None = None
        for offering in self._store.all(Offering):
            try:
                if jump:
                    self._store.change(Offering, offering.environment, lambda one: moved(one, jump))
                if self._looks.begin(offering):
                    self._look(offering.environment)
                    self._looks.end(offering.environment)
            except (ShipwayError, OSError) as error:
                failed = error
        if failed is not None:
            raise failed

    def _look(self, name: str) -> None:
        # Where a crash or a full disk came between the record and the parameter.
        self.tell(name)
        told = self.told(name)
        if told is not None:
            self._unasked.pop(name, None)
        steady = self._steady()
        unasked = 0.0 if told is not None else steady - self._unasked.setdefault(name, steady)
        with self._store.transaction():
            before = self.of(name)
            after, found = self._after_look(before, told, unasked)
            if after != before:
                self._store.put(name, after)
            if found is not None:
                self._tell_of(found, name)
        if found is not None:
            self.tell(name)

    def _after_look(self, offering: Offering, told: Told | None, unasked: float) -> tuple[Offering, Judged | None]:
        """The offering as it is now, and what happened to its candidate, if anything did.

        What can't be asked is a hold. It ends as holds do once it has lasted as long: for `unasked` seconds.
        """
        if told is not None:
            offering = replace(offering, seen=dict(told.running))
        candidate = offering.candidate
        if candidate is None:
            return offering, None
        if told is None and unasked < candidate.policy.guard.hold_timeout:
            return unknown(offering), None
        if told is not None and not candidate.before:
            offering = counting(offering, told)
        found = judged(offering, told or Told(), self._clock(), PLATFORM)
        if found.what != "stays":
            return found.offering, found
        return found.offering if told is not None else unknown(offering), None

    def _tell_of(self, found: Judged, environment: str) -> None:
        offering = found.offering
        match found.what:
            case "next":
                assert offering.candidate is not None
                self._say("note", _goes(offering.candidate), environment)
            case "promoted":
                self._say("done", f"bundle {offering.stable} is every device's: {found.verdict.reason}", environment)
                self._audit(PLATFORM, "promote bundle", environment, found.verdict.reason, _detail(offering))
            case _:
                gone = offering.taken_back[-1]
                text = f"took back bundle {gone.version}: {gone.reason}; devices are given {offering.stable}"
                self._say("fail", text, environment)
                self._audit(PLATFORM, "take back bundle", environment, gone.reason, _detail(offering))

    def _brought(self, before: Offering, candidate: Candidate, told: Told | None, run: str) -> Offering:
        version = candidate.version
        if before.candidate is not None and before.candidate.version == version:
            return before
        if before.stable == version:
            # What was on its way is superseded by the release that has the stable one.
            return replace(before, candidate=None)
        if (fault := before.fault_of(version)) is not None:
            again = f"shipway app promote {version} --env {before.environment}"
            text = f"bundle {version} was taken back and does not go out again: {fault}; all the same: {again}"
            self._say("note", text, before.environment, run)
            return before
        return begun(before, candidate, told)

    def _offer(self, environment: str) -> Offer:
        """Offer what the record says, and answer it. Held by `_telling`."""
        wanted = self._wanted(environment)
        try:
            self._bundles.offer(environment, wanted)
        except BaseException:
            self._looks.again(environment)
            raise
        return wanted

    def _wanted(self, environment: str) -> Offer:
        offering = self.of(environment)
        found = {version: self.native(version) for version in {offering.stable, *offering.history} - {BUILTIN}}
        # One that is not in the bucket any more can't be given to anybody.
        return offering.offer({version: native for version, native in found.items() if native is not None})

    def _put(self, offering: Offering) -> None:
        self._store.put(offering.environment, offering)

    def _say(self, kind: EventKind, text: str, environment: str, run: str | None = None) -> None:
        self._store.add_event(Event(kind, text, self._clock(), run, environment))

    def _audit(self, who: str, action: str, environment: str, why: str, detail: Mapping[str, object]) -> None:
        self._store.add_audit(AuditEntry(self._clock(), who, action, environment, why, detail))


def _goes(candidate: Candidate) -> str:
    return f"bundle {candidate.version} goes to {candidate.share:g} % of the devices"


def told_in_short(offering: Offering) -> str:
    """`1.0.0-4f53cda18c2b, and 1.1.0-a1b2c3d4e5f6 to 5 % of the devices`."""
    if offering.candidate is None:
        return offering.stable
    return f"{offering.stable}, and {offering.candidate.version} to {offering.candidate.share:g} % of the devices"


def _detail(offering: Offering) -> dict[str, object]:
    candidate = offering.candidate
    return {
        "stable": offering.stable,
        "candidate": candidate.version if candidate is not None else None,
        "percent": candidate.share if candidate is not None else 0,
        "taken_back": [one.version for one in offering.taken_back],
    }
