"""Which bundles stay in the bucket, because devices have them, are offered them, or may be given them again."""

from __future__ import annotations

from collections.abc import Iterable

from shipway.core.apps.offering import Offering
from shipway.core.contract.bundles import BUILTIN, Offer


def kept_bundles(newest: int, offering: Offering, offers: Iterable[Offer], now: float) -> set[str]:
    """The bundles of an environment that stay.

    What devices were seen with within 90 days; what its `offers` name, those for older native apps included; and the
    `newest` that were stable, for the way back.
    """
    kept = {*offering.in_sight(now), *offering.history[-newest:], offering.before()}
    for offer in offers:
        kept.update((offer.stable, *offer.older, *([offer.candidate] if offer.candidate is not None else [])))
    return kept - {BUILTIN}
