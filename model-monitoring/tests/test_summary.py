"""Summaries against exact figures, and merging."""

from __future__ import annotations

import json
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from model_monitoring import distance, statistics
from model_monitoring.summary import Column, Summary

VALUES = st.one_of(
    st.none(), st.integers(-(10**6), 10**6), st.floats(allow_nan=True, allow_infinity=True, width=32),
    st.text(max_size=3), st.booleans(), st.just(10**400),
)  # fmt: skip


def column_of(values):
    column = Column()
    column.add(values)
    return column


@given(st.lists(VALUES, max_size=60))
def test_every_value_counts_once(values):
    """Whatever it is: as a number, a text, something else, or missing."""
    column = column_of(values)
    nothing = sum(value is None or value != value for value in values)
    assert (nothing, len(values)) == (column.missing, column.present + column.missing)
    assert sum(type(value) is str for value in values) == column.text_count


@settings(max_examples=50)
@given(st.lists(st.lists(st.one_of(st.none(), st.integers(-99, 99), st.sampled_from("abc")), max_size=20), max_size=6))
def test_parts_merged_are_the_whole(parts):
    """Counts exactly, moments within a rounding error; also with columns that are not in every part."""
    whole, merged = Summary(), Summary()
    for number, part in enumerate(parts):
        name = "x" if number % 2 else "y"
        one = Summary()
        one.add({name: part}, len(part))
        whole.add({name: part}, len(part))
        merged.merge(one)
    assert (whole.rows, whole.columns.keys()) == (merged.rows, merged.columns.keys())
    for name, a in whole.columns.items():
        b = merged.columns[name]
        assert (a.present, a.missing, a.texts, a.numbers.count) == (b.present, b.missing, b.texts, b.numbers.count)
        assert math.isclose(a.numbers.mean, b.numbers.mean, abs_tol=1e-9)
        assert math.isclose(a.numbers.deviation, b.numbers.deviation, abs_tol=1e-9)
        assert whole.rows == a.present + a.missing


def test_moments_and_distribution_are_those_of_the_rows():
    """Through the file and back: ranks within the sketch's error, 0.2 % for two sketches."""
    random = np.random.default_rng(7)
    first, second = random.normal(5, 2, 50_000), random.normal(5.5, 2, 30_000)
    documents = []
    for values in (first, second):
        summary = Summary()
        for part in np.array_split(values, 9):
            summary.add({"x": part.tolist()}, len(part))
        documents.append(json.dumps(statistics.document(summary)).encode())
        numbers = summary.columns["x"].numbers
        assert np.allclose(
            (values.mean(), values.std(), values.min(), values.max()),
            (numbers.mean, numbers.deviation, numbers.least, numbers.greatest),
        )
    a, b = (statistics.known(document, "s")["x"] for document in documents)
    places = np.concatenate([first, second])
    exact = max(
        abs(
            np.searchsorted(np.sort(first), places, "right") / len(first)
            - np.searchsorted(np.sort(second), places, "right") / len(second)
        )
    )
    assert abs(exact - distance.of_numbers(a.values, a.weights, b.values, b.weights)) < 0.004
    assert (50_000, 50_000) == (a.weights.sum(), a.present)


def test_buckets_cover_the_range():
    """Ten of equal width; one where all values are equal."""
    summary = Summary()
    summary.add({"x": [*range(1000)], "same": [3] * 1000}, 1000)
    x, same = (
        feature["numerical_statistics"]["distribution"]["kll"]["buckets"]
        for feature in statistics.document(summary)["features"]
    )
    assert (10, 1000, 0.0, 999.0) == (
        len(x),
        sum(bucket["count"] for bucket in x),
        x[0]["lower_bound"],
        x[-1]["upper_bound"],
    )
    assert [{"lower_bound": 3.0, "upper_bound": 3.0, "count": 1000}] == same


def test_types_are_inferred_from_what_is_there():
    """As SageMaker names them."""
    kinds = [column_of(values).kind for values in ([1, 2.0], [1, 2.5], ["a", 1, "b"], [True], [None])]
    assert ["Integral", "Fractional", "String", "Unknown", "Unknown"] == kinds


def test_chi_squared_is_the_one_of_tables():
    """Critical values of 5 % for 1, 2, 3 and 10 degrees of freedom."""
    for freedom, critical in ((1, 3.841), (2, 5.991), (3, 7.815), (10, 18.307)):
        assert math.isclose(0.05, distance._chi_squared_survival(critical, freedom), abs_tol=1e-4)


def test_equal_distributions_have_no_distance():
    """Of numbers and of categories, whatever their sizes."""
    a = np.arange(5.0)
    assert 0 == distance.of_numbers(a, np.ones(5), a, np.full(5, 7.0))
    assert 0 == distance.of_categories({"a": 1, "b": 3}, {"a": 2, "b": 6})
    assert 1.0 == distance.chi_squared_p_value({"a": 1, "b": 3}, {"a": 2, "b": 6})
    assert 0.5 == distance.of_categories({"a": 1, "b": 1}, {"b": 4})
