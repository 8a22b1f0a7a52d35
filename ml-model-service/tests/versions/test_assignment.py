"""What the version parameter may say, and which version a cohort key gets."""

from __future__ import annotations

import doctest
import hashlib
import math
import subprocess
import sys

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from conftest import CHARACTERS
from ml_model_service.versions import assignment
from ml_model_service.versions.assignment import Assignment, AssignmentError, Chooser, Shadow, parse, variant_name

KEYS = [hashlib.sha256(str(number).encode()).hexdigest()[:32].encode() for number in range(20_000)]
# The percents of up to nine candidates that leave something or nothing to stable.
SPLITS = st.lists(st.integers(0, 100), min_size=1, max_size=9).filter(lambda percents: sum(percents) <= 100)


def split_of(percents: list[int]) -> Assignment:
    """An assignment whose candidates have these percents."""
    return Assignment("v1.0", tuple((f"v2.{number}", float(percent)) for number, percent in enumerate(percents)))


def share_bound(percent: float, keys: int) -> float:
    """How far a share of so many keys may be off: six standard deviations."""
    return 6 * math.sqrt(percent * (100 - percent) / keys) + 1e-9


def test_the_examples_hold() -> None:
    """What the documentation of the functions shows is so."""
    assert 0 == doctest.testmod(assignment).failed


def test_a_bare_version_is_all_stable() -> None:
    """The text of a parameter that knows of no split."""
    assert Assignment("v1.1") == parse(" v1.1\n")


def test_a_whole_assignment_is_read() -> None:
    """Version, split and shadow; a shadow without a percent mirrors everything."""
    text = '{"version": "v1.1", "split": {"v1.2": 10, "v2.0": 2.5}, "shadow": {"version": "v1.3"}}'
    assert Assignment("v1.1", (("v1.2", 10.0), ("v2.0", 2.5)), Shadow("v1.3", 100.0)) == parse(text)
    assert (("v1.1", 87.5), ("v1.2", 10.0), ("v2.0", 2.5)) == parse(text).variants


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found '', allowed is a version such as v1.0"),
        ("1.0", "found '1.0', allowed is a version such as v1.0"),
        ("v" * 5000, "found 5000 characters, allowed are 4096"),
        ('{"version"', "not JSON: Expecting ':' delimiter: line 1 column 11 (char 10)"),
        ("{}", "version is missing"),
        ('{"version": 1}', "version: found 1, allowed is a version such as v1.0"),
        ('{"version": "v1.0", "splits": {}}', "found the key 'splits', allowed are version, split, shadow"),
        ('{"version": "v1.0", "version": "v1.1"}', "found a key twice among ['version', 'version']"),
        (
            '{"version": "v1.0", "split": []}',
            'split: found [], allowed is an object of at most 9 candidates such as {"v1.2": 10}',
        ),
        ('{"version": "v1.0", "split": {"x": 10}}', "split: found 'x', allowed is a version such as v1.0"),
        ('{"version": "v1.0", "split": {"v1.1": true}}', "split.v1.1: found True, allowed is a number from 0 to 100"),
        ('{"version": "v1.0", "split": {"v1.1": NaN}}', "split.v1.1: found nan, allowed is a number from 0 to 100"),
        ('{"version": "v1.0", "split": {"v1.1": -1}}', "split.v1.1: found -1, allowed is a number from 0 to 100"),
        (
            '{"version": "v1.0", "split": {"v1.1": 60, "v1.2": 41}}',
            "split: found 101 percent in all, allowed are 100",
        ),
        (
            '{"version": "v1.0", "split": {"v1.0": 10}}',
            "split: found 'v1.0', which is the stable version: it has what the others leave",
        ),
        (
            '{"version": "v1.0", "shadow": "v1.1"}',
            'shadow: found \'v1.1\', allowed is null or an object such as {"version": "v1.3", "percent": 100}',
        ),
        ('{"version": "v1.0", "shadow": {}}', "shadow.version is missing"),
        (
            '{"version": "v1.0", "shadow": {"version": "v1.0"}}',
            "shadow.version: found 'v1.0', which answers requests: a shadow answers none",
        ),
        (
            '{"version": "v1.0", "shadow": {"version": "v1.1", "percent": 0}}',
            "shadow.percent: found 0, allowed is a number above 0 and up to 100",
        ),
        (
            '{"version": "v1.0", "shadow": {"version": "v1.1", "rate": 1}}',
            "found the key 'shadow.rate', allowed are version, percent",
        ),
    ],
)
def test_a_wrong_text_is_refused(text: str, message: str) -> None:
    """The message says where, what was found and what is allowed."""
    with pytest.raises(AssignmentError) as caught:
        parse(text)
    assert message == str(caught.value)


@pytest.mark.slow
@given(st.text(CHARACTERS, max_size=60) | st.text('{}[]":,v1.20 splitshadow', max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Whatever the parameter holds is read or refused."""
    try:
        assert parse(text).version
    except AssignmentError as error:
        assert str(error)


def test_deep_nesting_is_refused() -> None:
    """A text made to exhaust the stack is only wrong."""
    with pytest.raises(AssignmentError):
        parse('{"version":' + "[" * 4000)


def test_a_variant_is_named_as_sagemaker_allows() -> None:
    """Letters, digits and dashes."""
    assert "v12-34" == variant_name("v12.34")


@pytest.mark.slow
@given(SPLITS)
def test_shares_match_percents(percents: list[int]) -> None:
    """Over many keys each version gets its percent, within what chance allows."""
    chooser, wanted = Chooser(split_of(percents)), [percent for _, percent in split_of(percents).variants]
    chosen = [chooser.choose(key) for key in KEYS[:4000]]
    for index, percent in enumerate(wanted):
        assert abs(100 * chosen.count(index) / len(chosen) - percent) <= share_bound(percent, len(chosen))


@pytest.mark.slow
@given(SPLITS, st.data())
def test_raising_a_candidate_only_adds_to_it(percents: list[int], data: st.DataObject) -> None:
    """Who had the candidate keeps it."""
    left = 100 - sum(percents)
    assume(left > 0)
    raised = data.draw(st.integers(0, len(percents) - 1))
    more = [percent + (index == raised) * data.draw(st.integers(1, left)) for index, percent in enumerate(percents)]
    before, after = Chooser(split_of(percents)), Chooser(split_of(more))
    for key in KEYS[:500]:
        if before.choose(key) == raised + 1:
            assert raised + 1 == after.choose(key)


@pytest.mark.parametrize("key", [b"", b"a", b"a" * 5000, bytes(range(256))])
def test_nothing_and_everything_are_exact(key: bytes) -> None:
    """0 % gets no key, 100 % gets every one, decimals that add up to 100 leave stable nothing."""
    assert 0 == Chooser(split_of([0])).choose(key)
    assert 1 == Chooser(split_of([100])).choose(key)
    assert 2 == Chooser(split_of([0, 100, 0])).choose(key)
    tenths = Assignment("v1.0", tuple((f"v2.{number}", percent) for number, percent in enumerate([10.1] * 8 + [19.2])))
    assert 0.0 == tenths.variants[0][1]


def test_the_choice_is_the_same_in_every_process() -> None:
    """A known answer, also with another hash seed."""
    chooser = Chooser(split_of([30, 30]))
    expected = "".join(str(chooser.choose(key)) for key in KEYS[:40])
    program = (
        "from ml_model_service.versions.assignment import *; import hashlib\n"
        "c = Chooser(Assignment('v1.0', (('v2.0', 30.0), ('v2.1', 30.0))))\n"
        "print(*(c.choose(hashlib.sha256(str(n).encode()).hexdigest()[:32].encode()) for n in range(40)), sep='')"
    )
    environment = {"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": "1"}
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=60)
    assert expected == ran.stdout.strip()
    assert "0200012211201210110020120220212100002202" == expected


@pytest.mark.slow
def xxh32(data: bytes) -> int:
    """The router's hash of an id of fewer than 16 bytes (xxHash's specification, seed 0)."""
    mask, prime1, prime2, prime3, prime4, prime5 = 2**32 - 1, 2654435761, 2246822519, 3266489917, 668265263, 374761393
    value, end = (prime5 + len(data)) & mask, len(data) // 4 * 4
    for start in range(0, end, 4):
        value = (value + int.from_bytes(data[start : start + 4], "little") * prime3) & mask
        value = ((value << 17 | value >> 15) & mask) * prime4 & mask
    for byte in data[end:]:
        value = (value + byte * prime5) & mask
        value = ((value << 11 | value >> 21) & mask) * prime1 & mask
    value = (value ^ value >> 15) * prime2 & mask
    value = (value ^ value >> 13) * prime3 & mask
    return value ^ value >> 16


@pytest.mark.slow
def test_model_cohorts_and_router_cohorts_are_independent() -> None:
    """Among those whom the router gives the new release, as many get the new model as among the others."""
    assert (0x02CC5D05, 0x32D153FF) == (xxh32(b""), xxh32(b"abc"))
    chooser = Chooser(split_of([10]))
    ids = [f"device-{number}".encode() for number in range(40_000)]
    for percent in (5, 25, 50):
        inside = [id for id in ids if xxh32(id) % 10_000 < percent * 100]
        share = 100 * sum(chooser.choose(id) for id in inside) / len(inside)
        assert abs(share - 10) <= share_bound(10, len(inside))
