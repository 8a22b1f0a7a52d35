"""When to look at the bundles that devices of an environment are offered: each look has all of its devices counted."""

from __future__ import annotations

from collections.abc import Callable

from shipway.core.apps.offering import Offering
from shipway.core.errors import ShipwayError
from shipway.core.ports.building import Bundles

QUIET = 10.0
"""The most seconds from one look to the next at an environment."""
_OF_A_STEP = 1000
"""How often the bundle on its way is looked at within a step."""
_SOON = 0.5
"""The least seconds from one look to the next once devices told something bad of the bundle on its way."""
_RESTS = 3.0
"""After a look so many times as long passes as it took: counting is work of the service that answers devices."""


class BundleLooks:
    """Which environments are due. `steady` is monotonic, such as `time.monotonic`."""

    def __init__(self, bundles: Bundles, steady: Callable[[], float]) -> None:
        self._bundles, self._steady = bundles, steady
        self._began: dict[str, float] = {}
        self._took: dict[str, float] = {}
        self._failures: dict[str, int] = {}

    def begin(self, offering: Offering) -> bool:
        """Whether to look at the environment now; the look counts as begun."""
        name, now = offering.environment, self._steady()
        since = now - self._began.get(name, -QUIET)
        soonest = max(_SOON, _RESTS * self._took.get(name, 0.0))
        due = since >= _pause(offering)
        if not due and since < soonest:
            return False
        # Asked in any case, before the counts: what comes in between is looked at once more.
        worse = self._got_worse(offering)
        if not due and not worse:
            return False
        self._began[name] = now
        return True

    def end(self, environment: str) -> None:
        """The look has ended well."""
        now = self._steady()
        self._took[environment] = now - self._began.get(environment, now)

    def again(self, environment: str) -> None:
        """Look again as soon as may be: something could not be done."""
        self._began.pop(environment, None)

    def _got_worse(self, offering: Offering) -> bool:
        """Whether devices told something bad of the bundle on its way since this was asked last."""
        if offering.candidate is None:
            return False
        try:
            failures = self._bundles.failures(offering.environment).get(offering.candidate.version, 0)
        except ShipwayError:
            # Nobody answers, or it is a service that does not say it: then there are looks at their time.
            return False
        known = self._failures.get(offering.environment)
        self._failures[offering.environment] = failures
        return failures != known


def _pause(offering: Offering) -> float:
    """The least seconds from one look to the next while nothing bad is told."""
    candidate = offering.candidate
    return min(QUIET, candidate.policy.step_wait / _OF_A_STEP) if candidate is not None else QUIET
