"""Rows against the feature schema."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import CHARACTERS, FEATURES, ROW
from ml_model_service.errors import Problem
from ml_model_service.formats.encoder import MAX_DETAILS
from samples import ENCODER, expected, good_rows

bad_values = {
    "airline": st.integers() | st.booleans() | st.lists(st.text(CHARACTERS)) | st.floats(),
    "origin": st.none() | st.text(CHARACTERS, min_size=4) | st.integers(),
    "temp": st.text(CHARACTERS)
    | st.booleans()
    | st.just(math.nan)
    | st.just(math.inf)
    | st.floats(min_value=150.1)
    | st.just(10**400),
    "minute": st.none()
    | st.text(CHARACTERS)
    | st.booleans()
    | st.integers(max_value=-1)
    | st.dictionaries(st.text(CHARACTERS), st.none()),
}
bad_fields = st.sampled_from(sorted(bad_values)).flatmap(lambda name: st.tuples(st.just(name), bad_values[name]))


@pytest.mark.slow
@given(st.lists(good_rows, min_size=1, max_size=5))
def test_good_rows_become_their_numbers(rows: list[dict[str, Any]]) -> None:
    """Categories become codes; null and, where null is allowed, unknown categories become NaN."""
    wanted = [repr(value) for row in rows for value in expected(row)]
    assert wanted == [repr(value) for value in ENCODER.encode(rows)]


@pytest.mark.slow
@given(st.lists(good_rows, min_size=1, max_size=4), st.data())
def test_a_wrong_value_is_named_by_row_and_field(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    """Whatever is wrong with one value, exactly its row and field are reported."""
    position = data.draw(st.integers(0, len(rows) - 1))
    name, value = data.draw(bad_fields)
    rows[position] = rows[position] | {name: value}
    with pytest.raises(Problem) as caught:
        ENCODER.encode(rows)
    assert [f"instances[{position}].{name}"] == [detail.path for detail in caught.value.details]


@pytest.mark.slow
@given(good_rows, st.sampled_from([feature["name"] for feature in FEATURES]))
def test_a_missing_field_is_named(row: dict[str, Any], name: str) -> None:
    """A field left out is an error even where null is allowed."""
    del row[name]
    with pytest.raises(Problem) as caught:
        ENCODER.encode([ROW, row])
    assert f"instances[1].{name}: expected " in caught.value.message
    assert caught.value.message.endswith("found nothing")


def test_an_unknown_field_is_named() -> None:
    """A field that the model does not know is an error, also beside a missing one."""
    row = {"typo": 1, **{name: value for name, value in ROW.items() if name != "temp"}}
    with pytest.raises(Problem) as caught:
        ENCODER.encode([row])
    assert ["instances[0].temp", "instances[0].typo"] == [detail.path for detail in caught.value.details]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temp": "hot"}, "instances[0].temp: expected number from -50 up to 150 or null, found 'hot'"),
        ({"minute": None}, "instances[0].minute: expected number from 0 up to 1439, found null"),
        ({"origin": "LGA"}, "instances[0].origin: expected one of EWR, JFK, found 'LGA'"),
        ({"airline": 7}, "instances[0].airline: expected string or null, found 7"),
    ],
)
def test_the_message_says_what_is_allowed(change: dict[str, Any], message: str) -> None:
    """The message holds the place, what is allowed and what was found."""
    with pytest.raises(Problem) as caught:
        ENCODER.encode([ROW | change])
    assert message == caught.value.message


def test_the_report_is_bounded() -> None:
    """However many rows are wrong, the details stay few and the message says how many there are."""
    with pytest.raises(Problem) as caught:
        ENCODER.encode([ROW | {"temp": "x" * 10_000}] * 500)
    assert MAX_DETAILS == len(caught.value.details)
    assert caught.value.message.endswith("(and 499 more)")
    assert len(caught.value.message) < 300
