"""What Shipway and the service that answers devices tell each other of bundles."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.core.contract.bundles import (
    BUILTIN,
    LARGEST_OFFER,
    LONGEST_REASON,
    MOST_OLDER,
    MOST_TAKEN_BACK,
    Bundle,
    BundleCounts,
    BundlesError,
    Offer,
    Running,
    Told,
    native_key,
    read_bundle,
    read_offer,
    read_told,
    version_of,
)

ONE, TWO, THREE = (f"1.{n}.0-{n:012x}" for n in (1, 2, 3))
VERSIONS = st.integers(0, 2**48 - 1).map(lambda n: f"1.0.{n % 10}-{n:012x}")
BUNDLE = Bundle(ONE, "a" * 64, "b" * 64, 1000, "1.0", "1.1.0", "c" * 40, 1e9, {"api": ("GET /api/places",)})


@settings(max_examples=30)
@given(
    st.one_of(st.just(BUILTIN), VERSIONS),
    st.none() | VERSIONS,
    st.floats(0, 100),
    st.dictionaries(VERSIONS, st.text(max_size=LONGEST_REASON // 6), max_size=MOST_TAKEN_BACK),
    st.lists(VERSIONS, max_size=MOST_OLDER),
)
def test_offers_come_back_as_they_were_written(
    stable: str, candidate: str | None, percent: float, taken_back: dict[str, str], older: list[str]
) -> None:
    """Reading an offer's text gives the offer."""
    offer = Offer(stable, candidate, percent, "", taken_back, tuple(older))
    assert offer == read_offer(offer.text())


def test_the_largest_offer_fits_its_parameter() -> None:
    """Each reason and each older version at its longest makes no more than a parameter holds."""
    longest = f"{'9' * 40}-{'f' * 12}"
    taken_back = {f"{n}{longest[1:]}": "x" * LONGEST_REASON for n in range(MOST_TAKEN_BACK)}
    offer = Offer(longest, longest, 33.333333333333336, "", taken_back, (longest,) * MOST_OLDER)
    assert len(offer.text()) <= LARGEST_OFFER


def test_metadata_and_counts_come_back_as_they_were_written() -> None:
    """Reading their texts gives what was written."""
    told = Told({ONE: BundleCounts(9, 8, 1, 20, 2, {"update_fail": 1})}, {BUILTIN: Running(3, 1e9)})
    assert (BUNDLE, told) == (read_bundle(BUNDLE.text()), read_told(told.text()))


def test_only_the_share_may_get_the_candidate() -> None:
    """Devices of the share get it first; all others get stable first, then older ones; what came with the app is last."""
    offer = Offer(TWO, THREE, 50, older=(ONE,))
    found = {offer.choices(f"device-{n}") for n in range(100)}
    assert {(THREE, TWO, ONE, BUILTIN), (TWO, ONE, BUILTIN)} == found
    assert {(TWO, ONE, BUILTIN)} == {Offer(TWO, THREE, 0, older=(ONE,)).choices(f"device-{n}") for n in range(100)}


def test_what_was_taken_back_is_nobodys() -> None:
    """It is no device's choice, in whatever role it still stands there."""
    offer = Offer(TWO, THREE, 100, taken_back={THREE: "bad", ONE: "bad"}, older=(ONE,))
    assert (TWO, BUILTIN) == offer.choices("device")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "an object"),
        ("{}", "stable is missing"),
        ('{"stable": "1.0"}', "such as 1.0.0-4f53cda18c2b or builtin"),
        ('{"stable": "../../x-0123456789ab"}', "found '../../x-0123456789ab'"),
        ('{"stable": "builtin", "candidate": "builtin"}', "candidate: found 'builtin'"),
        ('{"stable": "builtin", "percent": 101}', "from 0 to 100"),
        ('{"stable": "builtin", "percent": NaN}', "percent: found nan"),
        ('{"stable": "builtin", "percent": true}', "percent: found True"),
        ('{"stable": "builtin", "older": "x"}', "a list of versions"),
        ('{"stable": "builtin", "taken_back": {"x": "y"}}', "taken_back: found 'x'"),
        ('{"stable": "builtin", "mode": 1}', "found the key 'mode'"),
        (" " * 5000, "allowed are 4,096"),
    ],
)
def test_other_offers_are_refused(text: str, message: str) -> None:
    """The error says what was found and what is allowed."""
    with pytest.raises(BundlesError, match=message):
        read_offer(text)


@pytest.mark.parametrize(
    "change",
    [{"digest": "x"}, {"size": -1}, {"size": True}, {"native": "one"}, {"version": "1"}, {"uses": []}, {"more": 1}],
)
def test_other_metadata_is_refused(change: dict[str, object]) -> None:
    """A key that is wrong or unknown is named."""
    with pytest.raises(BundlesError, match=next(iter(change))):
        read_bundle(json.dumps(json.loads(BUNDLE.text()) | change))


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"versions": {}, "running": []},
        {"versions": {"x": {}}, "running": {}},
        {"versions": {ONE: {"offered": -1}}, "running": {}},
        {"versions": {ONE: {"reasons": []}}, "running": {}},
        {"versions": {}, "running": {ONE: {"devices": 1}}},
    ],
)
def test_other_counts_are_refused(told: dict[str, object]) -> None:
    """Counts that are none are an error, not zeros."""
    with pytest.raises(BundlesError):
        read_told(json.dumps(told))


def test_versions_name_the_content() -> None:
    """The package's version and the content's digest; a package version that makes no name is refused."""
    assert "1.0.0-rc.1-aaaaaaaaaaaa" == version_of("1.0.0-rc.1", "a" * 64)
    for bad in ("", "1.0+build", "a/b", "9" * 41):
        with pytest.raises(BundlesError, match="package version"):
            version_of(bad, "a" * 64)


def test_native_versions_have_a_numeric_order() -> None:
    """1.9 comes before 1.10, and 1 is 1.0."""
    assert ["1", "1.9", "1.10", "2.0.0.1"] == sorted(["1.10", "2.0.0.1", "1", "1.9"], key=native_key)
    with pytest.raises(BundlesError, match="native version"):
        native_key("1.0-beta")
