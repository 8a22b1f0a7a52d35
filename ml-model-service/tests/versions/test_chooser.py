"""Which version a cohort key gets."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ml_model_service.contract.wanted import Wanted
from ml_model_service.versions.chooser import Chooser

KEYS = [hashlib.sha256(str(number).encode()).hexdigest()[:32].encode() for number in range(20_000)]
# The percents of up to nine candidates that leave something or nothing to stable.
SPLITS = st.lists(st.integers(0, 100), min_size=1, max_size=9).filter(lambda percents: sum(percents) <= 100)


def split_of(percents: list[int]) -> Wanted:
    """What is wanted where the candidates have these percents."""
    return Wanted("v1.0", tuple((f"v2.{number}", float(percent)) for number, percent in enumerate(percents)))


def share_bound(percent: float, keys: int) -> float:
    """How far a share of so many keys may be off: six standard deviations."""
    return 6 * math.sqrt(percent * (100 - percent) / keys) + 1e-9


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
    tenths = Wanted("v1.0", tuple((f"v2.{number}", percent) for number, percent in enumerate([10.1] * 8 + [19.2])))
    assert 0.0 == tenths.variants[0][1]


def test_the_choice_is_the_same_in_every_process() -> None:
    """A known answer, also with another hash seed."""
    chooser = Chooser(split_of([30, 30]))
    expected = "".join(str(chooser.choose(key)) for key in KEYS[:40])
    program = (
        "from ml_model_service.versions.chooser import *; import hashlib\n"
        "c = Chooser(Wanted('v1.0', (('v2.0', 30.0), ('v2.1', 30.0))))\n"
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
