"""Which model versions answer in an environment beside its release's own, and the text that tells the tasks so."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from shipway.core.contract.version import VERSION
from shipway.core.contract.wanted import MAX_CANDIDATES, ROUNDING, Shadow, Wanted
from shipway.core.errors import Refused, UsageError

_SHARE = re.compile(r"([^=]{1,40})=([0-9]{1,3}(?:\.[0-9]{1,6})?) ?%?")


@dataclass(frozen=True, slots=True)
class Stopped:
    """A candidate that the platform took out of the split, why and when (Unix time)."""

    version: str
    percent: float
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class Experiment:
    """What an environment tries out beside model `version`, its release's own.

    Each of `split` answers its percent of the cohorts, `shadow` only listens. It does not apply while the release that
    serves has another version. `since` is when it began or was changed (Unix time).
    """

    environment: str
    version: str
    split: tuple[tuple[str, float], ...] = ()
    shadow: Shadow | None = None
    stopped: tuple[Stopped, ...] = ()
    by: str = ""
    why: str = ""
    since: float = 0.0

    @property
    def live(self) -> bool:
        """Whether there is a split or a shadow."""
        return bool(self.split) or self.shadow is not None

    @property
    def wanted(self) -> Wanted:
        """What the tasks are to serve."""
        return Wanted(self.version, self.split, self.shadow)

    @property
    def shares(self) -> dict[str, float]:
        """Every version that answers with its percent, the release's own first."""
        return dict(self.wanted.variants)


def of_release(version: str, recorded: Experiment | None) -> Experiment:
    """The experiment on a side whose release has this version: the recorded one, if it was begun beside that version."""
    if recorded is not None and recorded.version == version:
        return recorded
    return Experiment("", version)


def read_shares(words: Iterable[str]) -> tuple[tuple[str, float], ...]:
    """The split in `v1.2=10% v1.3=5`. Raises UsageError.

    >>> read_shares(["v1.2=10%", "v1.3=2.5"])
    (('v1.2', 10.0), ('v1.3', 2.5))
    """
    split: dict[str, float] = {}
    for word in words:
        match = _SHARE.fullmatch(word)
        if match is None or VERSION.fullmatch(match[1]) is None:
            raise UsageError(f"{word[:60]!r} is no share of a version", fix="write it as v1.2=10%")
        if match[1] in split:
            raise UsageError(f"{match[1]} is named twice", fix="give each version one share")
        split[match[1]] = float(match[2])
        if split[match[1]] == 0:
            raise UsageError(f"{word}: a share lies above 0 %", fix="leave out the versions that are to answer nobody")
    if not 1 <= len(split) <= MAX_CANDIDATES:
        raise UsageError(f"{len(split)} candidates; allowed: 1 to {MAX_CANDIDATES}")
    if (total := math.fsum(split.values())) > 100 + ROUNDING:
        raise UsageError(f"the shares make {total:g} %; allowed: 100 % together")
    return tuple(split.items())


def check_percent(percent: float) -> None:
    """Refuse a share of requests that no shadow can have."""
    if not 0 < percent <= 100:
        raise UsageError(f"a shadow of {percent:g} % of the requests; allowed: above 0 % and up to 100 %")


def check_versions(experiment: Experiment) -> None:
    """Refuse an experiment in which a version would have two roles."""
    candidates = dict(experiment.split)
    if experiment.version in candidates:
        raise UsageError(
            f"{experiment.environment} serves {experiment.version} itself: it has what the candidates leave",
            fix="name the other versions only",
        )
    shadow = experiment.shadow
    if shadow is not None and shadow.version in (experiment.version, *candidates):
        raise Refused(
            f"{shadow.version} answers requests in {experiment.environment} already; a shadow answers none",
            fix=f"shipway model split --env {experiment.environment} shows them; choose another version for one of the two",
            state="nothing changed",
        )


def check_promotion(experiment: Experiment | None, version: str) -> None:
    """Refuse to make a version current during a split that it is no part of: one of the split's own may take all."""
    if experiment is None or not experiment.split or version in experiment.shares:
        return
    name, candidate = experiment.environment, experiment.split[0][0]
    raise Refused(
        f"{name} is split between {', '.join(experiment.shares)}; promoting {version} would end the split silently",
        fix=f"shipway model promote {candidate} --env {name}, or end the split first: shipway model split --off --env {name}",
        state="nothing changed",
    )
