"""What people see of the app's bundles on devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shipway.core.apps.offering import Candidate, Offering
from shipway.core.apps.steps import ahead
from shipway.core.contract.bundles import Bundle, BundleCounts, Told


@dataclass(frozen=True, slots=True)
class CandidateView:
    """A bundle on its way out: `percent` of the devices are offered it, `step` of `steps`, times in Unix time.

    `ahead` are the shares that follow, which depend on how many devices call. `fixed`: a person chose its share, so it goes no further by itself.
    """

    version: str
    percent: float
    step: int
    steps: int
    ahead: tuple[float, ...]
    fixed: bool
    paused: bool
    release: str | None
    by: str
    began: float
    since: float
    verdict: str


@dataclass(frozen=True, slots=True)
class TakenBackView:
    """A bundle that no device may keep, and why. `devices` were last seen with it all the same, `last_seen` the newest.

    A device that does not call can't be told.
    """

    version: str
    reason: str
    at: float
    by: str
    devices: int
    last_seen: float | None


@dataclass(frozen=True, slots=True)
class SeenView:
    """With which bundle how many devices were last seen, and the newest of them (Unix time)."""

    version: str
    devices: int
    last_seen: float


@dataclass(frozen=True, slots=True)
class OfferingView:
    """What the devices of an environment are offered, and which bundles they were seen with.

    `counts` is what became of the bundles, `fleet` the devices that called lately and can run the candidate; None where nothing that answers
    devices could be asked.
    """

    environment: str
    stable: str
    before: str
    since: float
    candidate: CandidateView | None
    taken_back: tuple[TakenBackView, ...]
    seen: tuple[SeenView, ...]
    counts: Mapping[str, BundleCounts] | None = None
    fleet: int | None = None


def offering_view(offering: Offering, told: Told | None = None) -> OfferingView:
    """An offering as people see it. `told` is what became of it; without, what was told at the last look."""
    seen, candidate = offering.seen if told is None else told.running, offering.candidate
    fleet = (told or Told(running=seen)).fleet(candidate.native if candidate is not None else "0")
    return OfferingView(
        environment=offering.environment,
        stable=offering.stable,
        before=offering.before(),
        since=offering.since,
        candidate=_candidate_view(candidate, fleet) if candidate is not None else None,
        taken_back=tuple(
            TakenBackView(
                one.version, one.reason, one.at, one.by,
                seen[one.version].devices if one.version in seen else 0,
                seen[one.version].last_seen if one.version in seen else None,
            )
            for one in offering.taken_back
        ),
        seen=tuple(
            SeenView(version, one.devices, one.last_seen)
            for version, one in sorted(seen.items(), key=lambda item: -item[1].devices)
        ),
        counts=told.versions if told is not None else None,
        fleet=fleet,
    )  # fmt: skip


def _candidate_view(candidate: Candidate, fleet: int | None) -> CandidateView:
    fixed = candidate.percent is not None
    return CandidateView(
        version=candidate.version,
        percent=candidate.share,
        step=candidate.step + 1,
        steps=len(candidate.policy.steps) + 1,
        ahead=() if fixed else ahead(candidate.policy, candidate.step, fleet, candidate.settled),
        fixed=fixed,
        paused=candidate.paused,
        release=candidate.release,
        by=candidate.by,
        began=candidate.began,
        since=candidate.since,
        verdict=candidate.verdict,
    )


@dataclass(frozen=True, slots=True)
class BundleInUseView:
    """A bundle of the bucket, and what it is where: `prod: stable`, `dev: 5 % of the devices`."""

    bundle: Bundle
    offered: Mapping[str, str]
