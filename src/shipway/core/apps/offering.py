"""Which bundles an environment's devices are offered, and what is to become of that: a pure machine.

A new bundle is the candidate. It goes to a growing share of the devices, step by step, until it is stable; devices that
met it keep it. It is taken back as soon as what devices do with it proves it bad. The machine is level-triggered: a
control plane that died between saving an offering and telling the devices only has to tell them again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from shipway.core.apps.steps import KNOWN_AFTER, is_enough, needed, next_step
from shipway.core.apps.verdict import judge_bundle, settled
from shipway.core.contract.bundles import (
    BUILTIN,
    LONGEST_REASON,
    MOST_OLDER,
    MOST_TAKEN_BACK,
    VERSION,
    BundleCounts,
    Offer,
    Running,
    Told,
    native_key,
)
from shipway.core.description.device_app import BundleRollout
from shipway.core.errors import UsageError
from shipway.core.verdicts.verdict import Verdict

MOST_REMEMBERED = 20
KEPT_IN_SIGHT = 90 * 86400.0
"""A bundle that no device was seen with for so many seconds is not waited for any more."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A bundle on its way out: at `step` of its policy since `since`, in all since `began` (Unix time).

    `before` are the counts of candidate and stable when it began, empty until they are known: what was counted since then
    is judged. `native` is the lowest native version that can run it. `settled` are the devices that had started it, or failed to, when its step began. A person may fix its share
    (`percent`) or let it be `paused`: then it goes no further by itself, and is judged all the same.
    """

    version: str
    policy: BundleRollout
    release: str | None
    by: str
    began: float
    since: float
    step: int = 0
    settled: int = 0
    before: Mapping[str, BundleCounts] = field(default_factory=dict)
    percent: float | None = None
    paused: bool = False
    verdict: str = ""
    native: str = "0"

    @property
    def share(self) -> float:
        """The percent of the devices that are offered it."""
        if self.percent is not None:
            return self.percent
        steps = self.policy.steps
        return steps[self.step] if self.step < len(steps) else 100.0


@dataclass(frozen=True, slots=True)
class TakenBack:
    """A bundle that no device may keep, why, since when (Unix time), and who took it back.

    `with_release`: nothing was wrong with it, it went back with its release, and comes again with one.
    """

    version: str
    reason: str
    at: float
    by: str
    with_release: bool = False


@dataclass(frozen=True, slots=True)
class Offering:
    """What the devices of an environment are offered. `history` are the bundles that were stable before, oldest first.

    `seen` is how many devices were last seen with which bundle, as the service that answers them told it last.
    """

    environment: str
    stable: str = BUILTIN
    history: tuple[str, ...] = ()
    candidate: Candidate | None = None
    taken_back: tuple[TakenBack, ...] = ()
    seen: Mapping[str, Running] = field(default_factory=dict)
    since: float = 0.0

    def offer(self, natives: Mapping[str, str]) -> Offer:
        """What the service is told. `natives`: bundle → the lowest native version that can run it."""
        candidate = self.candidate
        return Offer(
            stable=self.stable,
            candidate=candidate.version if candidate is not None else None,
            percent=candidate.share if candidate is not None else 0.0,
            taken_back={one.version: _short(one.reason) for one in self.taken_back[-MOST_TAKEN_BACK:]},
            older=older(self.stable, [one for one in self.history if not self.is_taken_back(one)], natives),
        )

    def is_taken_back(self, version: str) -> bool:
        """Whether no device may keep the bundle."""
        return any(one.version == version for one in self.taken_back)

    def fault_of(self, version: str) -> str | None:
        """Why the bundle does not go out by itself again; None where it may."""
        return next((one.reason for one in self.taken_back if one.version == version and not one.with_release), None)

    def before(self) -> str:
        """The bundle that devices are given in place of stable."""
        return next((one for one in reversed(self.history) if not self.is_taken_back(one)), BUILTIN)

    def in_sight(self, now: float) -> Mapping[str, int]:
        """The bundles that devices may run, with the number of devices that were seen with each: not `builtin`."""
        found = {version: one.devices for version, one in self.seen.items() if now - one.last_seen <= KEPT_IN_SIGHT}
        offered = [self.stable, *([self.candidate.version] if self.candidate is not None else [])]
        return {version: n for version, n in {**dict.fromkeys(offered, 0), **found}.items() if version != BUILTIN}


def _short(reason: str) -> str:
    """As much of it as JSON says in few letters: a parameter is bounded, and JSON escapes what is not ASCII."""
    reason = reason[:LONGEST_REASON]
    while len(json.dumps(reason)) > LONGEST_REASON + len('""'):
        reason = reason[:-1]
    return reason


def older(stable: str, history: list[str], natives: Mapping[str, str]) -> tuple[str, ...]:
    """The bundles for devices whose native app is too old for stable, newest first: each runs on older ones than the last.

    >>> older("c", ["a", "b"], {"a": "1.0", "b": "2.0", "c": "2.0"})
    ('a',)
    """
    found: list[str] = []
    lowest = native_key(natives[stable]) if stable in natives else None
    for version in reversed(history):
        if version in natives and lowest is not None and native_key(natives[version]) < lowest:
            found.append(version)
            lowest = native_key(natives[version])
    return tuple(found[:MOST_OLDER])


def recalled(environment: str, offer: Offer | None, now: float) -> Offering:
    """The offering as far as what devices are offered tells it. A candidate is forgotten: nobody knows its policy."""
    if offer is None:
        return Offering(environment)
    taken_back = tuple(TakenBack(version, reason, now, "") for version, reason in offer.taken_back.items())
    return Offering(environment, offer.stable, tuple(reversed(offer.older)), None, taken_back, since=now)


def unknown(offering: Offering) -> Offering:
    """The offering while nobody can say what became of its candidate."""
    assert offering.candidate is not None
    verdict = "what became of it is unknown: nothing that answers devices can be asked"
    return replace(offering, candidate=replace(offering.candidate, verdict=verdict))


def begun(offering: Offering, candidate: Candidate, told: Told | None) -> Offering:
    """The bundle begins to go out, in place of one that is still on its way. It is not counted as taken back any more.

    `told` is None where nobody can be asked: then counting begins with the first look at which somebody can.
    """
    kept = tuple(one for one in offering.taken_back if one.version != candidate.version)
    offering = replace(offering, candidate=candidate, taken_back=kept)
    return offering if told is None else counting(offering, told)


def counting(offering: Offering, told: Told) -> Offering:
    """The offering whose candidate is judged by what is counted from now on."""
    candidate = offering.candidate
    assert candidate is not None
    watched = candidate.version, offering.stable
    return replace(offering, candidate=replace(candidate, before={version: told.of(version) for version in watched}))


def taken_out(offering: Offering, reason: str, by: str, now: float, *, with_release: bool = False) -> Offering:
    """The candidate is taken back: devices that have it are given stable."""
    candidate = offering.candidate
    assert candidate is not None
    gone = TakenBack(candidate.version, reason, now, by, with_release)
    return replace(offering, candidate=None, taken_back=(*offering.taken_back, gone)[-MOST_REMEMBERED:])


def promoted(offering: Offering, now: float) -> Offering:
    """The candidate is stable: every device is given it."""
    candidate = offering.candidate
    assert candidate is not None
    history = (*offering.history, offering.stable)[-MOST_REMEMBERED:]
    return replace(offering, stable=candidate.version, history=history, candidate=None, since=now)


def gone_back(offering: Offering, to: str, reason: str, by: str, now: float, *, with_release: bool = False) -> Offering:
    """Every device is given the bundle `to`; what they had in its place is taken back. A candidate `to` goes on."""
    if offering.candidate is not None:
        if offering.candidate.version == to:
            return offering
        offering = taken_out(offering, reason, by, now, with_release=with_release)
    if offering.stable == to:
        return offering
    gone = () if offering.stable == BUILTIN else (TakenBack(offering.stable, reason, now, by, with_release),)
    kept = tuple(one for one in offering.taken_back if one.version != to)
    history = offering.history
    history = history[: len(history) - 1 - history[::-1].index(to)] if to in history else ()
    return replace(
        offering, stable=to, history=history, candidate=None, taken_back=(*kept, *gone)[-MOST_REMEMBERED:], since=now
    )


def way_back(offering: Offering, leaving: str, to: str) -> str:
    """The bundle that devices are given when a release with the bundle `leaving` goes back to one with `to`.

    A bundle that never was stable here, as it was taken back or superseded, does not become it by the way back.
    """
    candidate = offering.candidate.version if offering.candidate is not None else None
    if to in (BUILTIN, offering.stable, candidate, *offering.history) and not offering.is_taken_back(to):
        return to
    return offering.before() if offering.stable == leaving else offering.stable


@dataclass(frozen=True, slots=True)
class Judged:
    """The offering after a look, and what happened: `stays`, `next` step, `promoted` or `taken back`, with the verdict."""

    offering: Offering
    what: str
    verdict: Verdict


def judged(offering: Offering, told: Told, now: float, by: str) -> Judged:
    """One look at the candidate: what devices did with it, and what follows."""
    candidate = offering.candidate
    assert candidate is not None
    ours, theirs = (_since(told, candidate, version) for version in (candidate.version, offering.stable))
    policy, step = candidate.policy, candidate.step
    fleet = told.fleet(candidate.native) if now - candidate.began >= KNOWN_AFTER else None
    needs = needed(policy, step, fleet, candidate.settled)
    verdict = judge_bundle(policy.guard, ours, theirs, in_step=settled(ours) - candidate.settled, needed=needs)
    candidate = replace(candidate, verdict=verdict.reason)
    stays = Judged(replace(offering, candidate=candidate), "stays", verdict)
    if verdict.kind == "rollback":
        return Judged(taken_out(offering, verdict.reason, by, now), "taken back", verdict)
    if candidate.paused or candidate.percent is not None or now - candidate.since < policy.step_wait:
        return stays
    if verdict.lacking and not is_enough(policy, step, fleet, candidate.settled):
        few = f"{candidate.share:g} % of {fleet:,} devices are too few to judge by"
        verdict = Verdict("promote", f"{verdict.reason}: {few}")
    if verdict.kind == "hold":
        verdict = _after_timeout(candidate, verdict, now)
        if verdict.kind == "rollback":
            return Judged(taken_out(offering, verdict.reason, by, now), "taken back", verdict)
        if verdict.kind == "hold":
            return stays
    if step == len(policy.steps):
        return Judged(promoted(offering, now), "promoted", verdict)
    further = next_step(policy, step, fleet, settled(ours))
    candidate = replace(candidate, step=further, since=now, settled=settled(ours))
    return Judged(replace(offering, candidate=candidate), "next", verdict)


_SHARE = re.compile(r"([^=]{1,60})=([0-9]{1,3}(?:\.[0-9]{1,6})?) ?%?")


def read_share(word: str) -> tuple[str, float]:
    """The bundle and its percent in `1.0.0-4f53cda18c2b=10%`. Raises UsageError.

    >>> read_share("1.0.0-4f53cda18c2b=2.5%")
    ('1.0.0-4f53cda18c2b', 2.5)
    """
    match = _SHARE.fullmatch(word)
    if match is None or VERSION.fullmatch(match[1]) is None or not 0 < float(match[2]) <= 100:
        fix = "write it as 1.0.0-4f53cda18c2b=10%, above 0 % and up to 100 %"
        raise UsageError(f"{word[:80]!r} is no share of a bundle", fix=fix)
    return match[1], float(match[2])


def fixed(offering: Offering, percent: float) -> Offering:
    """The candidate with a share that a person chose."""
    assert offering.candidate is not None
    return replace(offering, candidate=replace(offering.candidate, percent=percent))


def going_on(offering: Offering, now: float) -> Offering:
    """The candidate goes on by itself: from the first step whose share is no smaller than the one it has."""
    candidate = offering.candidate
    assert candidate is not None
    if candidate.percent is None:
        return replace(offering, candidate=replace(candidate, paused=False))
    steps = candidate.policy.steps
    step = next((n for n, share in enumerate(steps) if share >= candidate.share), len(steps))
    return replace(offering, candidate=replace(candidate, paused=False, percent=None, step=step, since=now))


def moved(offering: Offering, seconds: float) -> Offering:
    """The offering after the clock was set: what lasts goes on as it was."""
    candidate = offering.candidate
    if candidate is None:
        return offering
    return replace(
        offering, candidate=replace(candidate, since=candidate.since + seconds, began=candidate.began + seconds)
    )


def _after_timeout(candidate: Candidate, verdict: Verdict, now: float) -> Verdict:
    """What a hold comes to that has lasted too long. What speaks against a bundle never promotes it."""
    guard = candidate.policy.guard
    if now - candidate.since < candidate.policy.step_wait + guard.hold_timeout:
        return verdict
    kind = guard.on_timeout if verdict.lacking else "rollback"
    return Verdict(kind, f"{verdict.reason} within {guard.hold_timeout / 3600:g} h")


def _since(told: Told, candidate: Candidate, version: str) -> BundleCounts:
    """What was counted of a version since the candidate began."""
    now, before = told.of(version), candidate.before.get(version, BundleCounts())
    return BundleCounts(
        offered=max(0, now.offered - before.offered),
        started=max(0, now.started - before.started),
        failed=max(0, now.failed - before.failed),
        sessions=max(0, now.sessions - before.sessions),
        errors=max(0, now.errors - before.errors),
        reasons={reason: n - before.reasons.get(reason, 0) for reason, n in now.reasons.items()},
    )
