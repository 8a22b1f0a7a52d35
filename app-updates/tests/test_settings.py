"""Settings, read from variables."""

from __future__ import annotations

import pytest

from app_updates.limits import BURST, Limits
from app_updates.places import WrongPlace, bucket_at, parameter_at
from app_updates.settings import WrongSetting, read_settings
from tests.conftest import Clock


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APP_SIGNING_KEY", "-----BEGIN PRIVATE KEY-----"),
        ("CORS_ORIGINS", "not an origin"),
        ("PUBLIC_URL", "javascript:alert(1)"),
        ("FIRST_WORD_SECONDS", "0"),
        ("FIRST_WORD_SECONDS", "soon"),
    ],
)
def test_wrong_setting_is_named(name: str, value: str) -> None:
    """With what is allowed; the task ends with 2."""
    with pytest.raises(WrongSetting, match=name):
        read_settings({name: value})


def test_builds_placeholder_is_no_key() -> None:
    """Tests of a build get every secret as that word."""
    assert None is read_settings({"APP_SIGNING_KEY": "placeholder"}).key


@pytest.mark.parametrize("url", ["", "/x", "http://x/y", "s3://", "ssm://x", "file:x"])
def test_address_that_names_no_place(url: str) -> None:
    """Says what is allowed."""
    with pytest.raises(WrongPlace, match="allowed is"):
        parameter_at(url)
    with pytest.raises(WrongPlace, match="allowed is"):
        bucket_at(url, 100)


def test_limits_let_in_again_after_a_while() -> None:
    """Half a request a second after the burst; other devices have their own."""
    clock = Clock()
    limits = Limits(clock)
    assert [0] * int(BURST) == [limits.wait("d") for _ in range(int(BURST))]
    assert 2 == limits.wait("d")
    assert 0 == limits.wait("other")
    clock.now += 2
    assert (0, 2) == (limits.wait("d"), limits.wait("d"))
