"""Who is asked of the endpoint while both routes exist."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_api.model_client.share import in_share

KEYS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=128)
PERCENTS = st.floats(0, 100)


@pytest.mark.slow
@given(KEYS, PERCENTS, PERCENTS)
def test_a_higher_percent_only_adds_clients(key: str, one: float, other: float) -> None:
    """Whoever the endpoint answers at a percent, it answers at every higher one."""
    lower, higher = sorted((one, other))
    assert in_share(key, higher) or not in_share(key, lower)


@given(KEYS)
def test_nobody_and_everybody(key: str) -> None:
    """0 percent are no client, 100 percent are all."""
    assert (False, True) == (in_share(key, 0), in_share(key, 100))


@pytest.mark.parametrize("percent", [0.5, 10, 50, 90])
def test_the_share_is_as_large_as_told(percent: float) -> None:
    """Of many devices the share is the percent, as far as chance allows."""
    share = sum(in_share(f"device-{number}", percent) for number in range(20_000)) / 200
    assert percent == pytest.approx(share, abs=4 * (percent * (100 - percent) / 20_000) ** 0.5)


def test_the_same_in_every_process() -> None:
    """Tasks agree on a client, and so does the next release: the hash has no seed."""
    assert [False, True, True, False] == [in_share(f"device-{number}", 50) for number in range(4)]
