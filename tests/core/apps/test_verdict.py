"""The verdict on a bundle."""

from __future__ import annotations

import pytest

from shipway.core.apps.verdict import judge_bundle
from shipway.core.contract.bundles import BundleCounts
from shipway.core.description.device_app import BundleGuard

GUARD = BundleGuard()
NONE = BundleCounts()
STABLE = BundleCounts(5000, 4990, 10, 20000, 200)


@pytest.mark.parametrize(
    ("candidate", "stable", "kind", "says"),
    [
        (BundleCounts(500, 0, 7), STABLE, "hold", "not start on 7 of 7 devices"),  # fewer than are needed to say so
        (BundleCounts(500, 0, 8), NONE, "rollback", "not start on 8 of 8 devices (100 %, no stable to compare with)"),
        (BundleCounts(500, 450, 50), NONE, "rollback", "50 of 500 devices"),
        (BundleCounts(500, 475, 25), STABLE, "rollback", "(5 %, stable 0.2 %)"),
        (BundleCounts(500, 475, 25), NONE, "promote", "25 of 500"),  # within what is allowed alone
        (BundleCounts(50, 48, 2), STABLE, "hold", "not conclusive yet"),
        (BundleCounts(10, 10, 0, 10, 2), STABLE, "hold", "2 of 10 sessions"),  # a bundle as good as stable: once in 30
        (BundleCounts(10, 10, 0, 10, 6), STABLE, "rollback", "6 of 10 sessions"),
        (BundleCounts(50, 50, 0, 400, 80), STABLE, "rollback", "80 of 400 sessions met an uncaught error"),
        (BundleCounts(50, 50, 0, 400, 6), STABLE, "promote", "0 of 50"),
        (BundleCounts(49, 49), STABLE, "hold", "49 of 50 devices seen"),
        (BundleCounts(50, 50), STABLE, "promote", "0 of 50 devices"),
    ],
)
def test_what_devices_did_decides(candidate: BundleCounts, stable: BundleCounts, kind: str, says: str) -> None:
    """Devices that did not start it and sessions that met errors, alone and beside stable's."""
    verdict = judge_bundle(GUARD, candidate, stable, in_step=candidate.started + candidate.failed, needed=50)
    assert kind == verdict.kind
    assert says in verdict.reason


def test_it_says_what_failed_most() -> None:
    """The most frequent reason that devices gave."""
    counts = BundleCounts(500, 100, 400, reasons={"update_fail": 100, "app_launch_timeout": 300})
    assert "mostly app_launch_timeout" in judge_bundle(GUARD, counts, NONE, in_step=500, needed=50).reason


def test_only_lack_is_lacking() -> None:
    """A hold for want of devices is told apart from one that suspects."""
    assert judge_bundle(GUARD, NONE, STABLE, in_step=0, needed=50).lacking
    assert not judge_bundle(GUARD, BundleCounts(50, 40, 10), NONE, in_step=50, needed=50).lacking
