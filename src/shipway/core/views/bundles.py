"""What people see of the app's bundles on devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shipway.core.apps.offering import Candidate, Offering
from shipway.core.contract.bundles import Bundle, BundleCounts


@dataclass(frozen=True, slots=True)
class CandidateView:
    """A bundle on its way out: `percent` of the devices are offered it, `step` of `steps`, times in Unix time.

    `fixed`: a person chose its share, so it goes no further by itself.
    """

    version: str
    percent: float
    step: int
    steps: int
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

    `counts` is what became of the bundles, None where nothing that answers devices could be asked.
    """

    environment: str
    stable: str
    before: str
    since: float
    candidate: CandidateView | None
    taken_back: tuple[TakenBackView, ...]
    seen: tuple[SeenView, ...]
    counts: Mapping[str, BundleCounts] | None = None


def offering_view(offering: Offering, counts: Mapping[str, BundleCounts] | None = None) -> OfferingView:
    """An offering as people see it."""
    seen = offering.seen
    return OfferingView(
        environment=offering.environment,
        stable=offering.stable,
        before=offering.before(),
        since=offering.since,
        candidate=_candidate_view(offering.candidate) if offering.candidate is not None else None,
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
        counts=counts,
    )  # fmt: skip


def _candidate_view(candidate: Candidate) -> CandidateView:
    return CandidateView(
        version=candidate.version,
        percent=candidate.share,
        step=candidate.step + 1,
        steps=len(candidate.policy.steps) + 1,
        fixed=candidate.percent is not None,
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
