"""Cohorts of devices, as the router has them."""

from __future__ import annotations

import xxhash
from hypothesis import given
from hypothesis import strategies as st

from shipway.core.contract.cohorts import COHORTS, is_within, xxh32

PERCENTS = st.floats(0, 100)


@given(st.binary(max_size=100))
def test_the_hash_is_xxh32(data: bytes) -> None:
    """It is what xxHash's own library computes, at every length."""
    assert xxhash.xxh32_intdigest(data) == xxh32(data)


@given(st.text(max_size=40), st.text(max_size=8), PERCENTS, PERCENTS)
def test_a_greater_share_only_adds_devices(device: str, salt: str, one: float, two: float) -> None:
    """Whoever is within a share is within every greater one."""
    less, more = sorted((one, two))
    assert is_within(device, less, salt) <= is_within(device, more, salt)


def test_shares_hold_their_devices() -> None:
    """None at 0 %, all at 100 %, and about as many as it says between them, with any salt."""
    devices = [f"device-{n}" for n in range(COHORTS)]
    for salt in ("", "other"):
        found = [sum(is_within(device, percent, salt) for device in devices) for percent in (0, 5, 100)]
        assert (0, COHORTS) == (found[0], found[2])
        assert 400 < found[1] < 600  # more than four standard deviations
