"""Distributions in bounded memory."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_model_service.versions.sketch import LARGEST, SMALLEST, Sketch

ANY = st.lists(st.floats(), max_size=50)
USUAL = st.lists(st.floats(SMALLEST, LARGEST, exclude_max=True), min_size=1, max_size=50)


def sketch_of(values: list[float]) -> Sketch:
    """A sketch that counted the values one by one."""
    sketch = Sketch()
    for value in values:
        sketch.add(value)
    return sketch


@pytest.mark.slow
@given(ANY)
def test_whatever_is_added_the_answer_is_json_in_order(values: list[float]) -> None:
    """Buckets ascend, do not overlap, add up to the count, and are at most 5 % wide; nothing is infinite."""
    found = json.loads(json.dumps(sketch_of(values).to_json(), allow_nan=False))
    assert sum(value == value for value in values) == found["count"] == sum(bucket[2] for bucket in found["buckets"])
    for (_, upper, _), (lower, _, _) in pairwise(found["buckets"]):
        assert upper <= lower
    for lower, upper, _ in found["buckets"]:
        assert upper - lower <= 0.05 * min(abs(lower), abs(upper))


@pytest.mark.slow
@given(USUAL, st.sampled_from([1, -1]))
def test_each_value_lies_in_its_bucket(values: list[float], sign: int) -> None:
    """Also the bounds themselves, which belong to one bucket only."""
    for value in values:
        ((lower, upper, count),) = sketch_of([sign * value]).to_json()["buckets"]
        assert 1 == count
        assert lower <= sign * value <= upper


@pytest.mark.slow
@given(ANY, ANY)
def test_many_at_once_and_merged_are_the_same(first: list[float], second: list[float]) -> None:
    """However values come together, the counts are those of adding one by one."""
    whole, many, merged = sketch_of(first + second), sketch_of(first), sketch_of(first)
    many.add_many(second)
    merged.merge(sketch_of(second))
    expected = whole.to_json()
    for found in (many.to_json(), merged.to_json()):
        assert expected["buckets"] == found["buckets"]
        assert expected["count"] == found["count"]
        assert expected["sum"] == pytest.approx(found["sum"], rel=1e-9, abs=1e-3 * LARGEST)


@pytest.mark.slow
def test_what_is_no_usual_number_is_counted_sensibly() -> None:
    """Zero and what is next to it is zero, infinity is the largest, NaN is nothing."""
    found = sketch_of([0.0, -0.0, 5e-324, math.inf, -math.inf, math.nan, 1e300]).to_json()
    assert [1, 3, 2] == [count for _, _, count in found["buckets"]]
    assert -LARGEST == found["buckets"][0][0]
    assert LARGEST == found["buckets"][-1][1]
    assert 6 == found["count"]


@pytest.mark.slow
def test_memory_is_bounded() -> None:
    """A million different numbers take some hundred buckets, the worst ones a few thousand."""
    sketch = Sketch()
    sketch.add_many([number / 1_000_000 for number in range(1, 1_000_001)])
    assert len(sketch.to_json()["buckets"]) < 700
    for exponent in range(-1074, 1024):
        for part in range(32):
            sketch.add_many([math.ldexp(0.5 + part / 64, exponent), -math.ldexp(0.5 + part / 64, exponent)])
    assert len(sketch.to_json()["buckets"]) <= 2 * 128 * 32 + 1
