"""Bit vectors against LightGBM's own walk through the trees."""

from __future__ import annotations

import re
import tracemalloc
from array import array
from collections.abc import Sequence
from functools import cache
from math import inf, nan, nextafter

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import FEATURES, train
from ml_model_service import engines
from ml_model_service.contract import lightgbm_text
from ml_model_service.engines import bit_vectors, tree_text
from ml_model_service.engines.bit_vectors import MANY, BitVectors, most_bytes, with_bit_vectors
from ml_model_service.engines.lightgbm import LightGBM
from ml_model_service.engines.tree_text import NEARLY_ZERO, Unsupported, read

pytestmark = pytest.mark.slow

NAMES = [feature["name"] for feature in FEATURES]
Rows = Sequence[Sequence[float]]


@cache
def engine_of(booster: lightgbm.Booster) -> tuple[BitVectors, LightGBM]:
    """Both engines on the same text."""
    text = booster.model_to_string().encode()
    exact = LightGBM(text, booster.feature_name())
    return BitVectors(text, exact, booster.num_feature()), exact


def matrix(rows: Rows) -> array[float]:
    return array("d", [value for row in rows for value in row])


def assert_same(booster: lightgbm.Booster, rows: Rows) -> None:
    """Both engines' predictions, bit for bit."""
    vectors, exact = engine_of(booster)
    assert exact.predict(matrix(rows), len(rows)) == vectors.predict_many(np.array(rows, dtype=np.float64))


@cache
def trained(**parameters: object) -> lightgbm.Booster:
    """A booster on six numbers with negative values, zeros and missing ones among them."""
    random = np.random.default_rng(3)
    table = random.normal(0, 10, (800, 6))
    table[random.random(table.shape) < 0.15] = 0.0
    if parameters.get("use_missing", True):
        table[random.random(table.shape) < 0.15] = np.nan
    labels = np.nan_to_num(table[:, 0]) * 2 + np.nan_to_num(table[:, 1]) ** 2 / 9 + random.normal(0, 3, 800)
    if parameters.get("objective") == "binary":
        labels = labels > labels.mean()
    parameters = {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 3, **parameters}
    return lightgbm.train(parameters, lightgbm.Dataset(table, labels), num_boost_round=25)


@cache
def near_thresholds(booster: lightgbm.Booster) -> st.SearchStrategy[list[list[float]]]:
    """Rows of values at, beside and far from thresholds, near zero, and missing."""
    thresholds = {split.threshold for tree in read(booster.model_to_string().encode()).trees for split in tree.splits}
    edges = [near for t in sorted(thresholds) for near in (t, nextafter(t, inf), nextafter(t, -inf))]
    zeros = [0.0, -0.0, NEARLY_ZERO, -NEARLY_ZERO, nextafter(NEARLY_ZERO, inf), nextafter(-NEARLY_ZERO, -inf), 1e-300]
    value = st.sampled_from([*edges, *zeros, nan]) | st.floats(allow_infinity=False, allow_nan=False)
    return st.lists(st.lists(value, min_size=6, max_size=6), min_size=1, max_size=20)


KINDS: dict[str, dict[str, object]] = {
    "binary": {"objective": "binary", "sigmoid": 0.3},
    "regression": {"objective": "regression"},
    "zero as missing": {"objective": "regression", "zero_as_missing": True},
    "no missing": {"objective": "regression", "use_missing": False},
    "63 leaves": {"objective": "regression", "num_leaves": 63},
    "random forest": {"objective": "binary", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25)
@given(data=st.data())
def test_predictions_are_lightgbms_to_the_last_bit(kind: str, data: st.DataObject) -> None:
    """At thresholds and beside them, near zero, missing: a cell's border lies exactly where LightGBM's split does."""
    booster = trained(**KINDS[kind])
    assert_same(booster, data.draw(near_thresholds(booster)))


def test_categories(boosters: list[lightgbm.Booster]) -> None:
    """Codes, codes that no split names, and missing ones go where LightGBM sends them."""
    random = np.random.default_rng(5)
    rows = np.column_stack([random.integers(0, 9, 500), random.integers(0, 2, 500), random.normal(60, 30, (500, 2))])
    rows = rows.astype(np.float64)
    rows[random.random(rows.shape) < 0.2] = np.nan
    assert_same(boosters[0], rows.tolist())


def test_many_categories() -> None:
    """Sets of codes longer than a word are read whole."""
    random = np.random.default_rng(6)
    codes = random.integers(0, 90, 4000).astype(np.float64)
    data = lightgbm.Dataset(codes.reshape(-1, 1), np.sin(codes), categorical_feature=[0])
    booster = lightgbm.train({"objective": "regression", "verbose": -1, "num_threads": 1}, data, num_boost_round=20)
    assert_same(booster, [[code] for code in (*map(float, range(95)), nan)])


def test_numbers_that_a_model_takes_for_categories() -> None:
    """Fractions count as the whole number towards zero, negative and huge numbers as no category."""
    random = np.random.default_rng(8)
    codes = random.integers(0, 9, (2000, 1)).astype(np.float64)
    labels = (codes[:, 0] % 3 == 0) + codes[:, 0] / 9
    data = lightgbm.Dataset(codes, labels, categorical_feature=[0])
    booster = lightgbm.train({"objective": "regression", "verbose": -1, "num_threads": 1}, data, num_boost_round=20)
    near = [code + part for code in range(-3, 12) for part in (-0.5, -1e-9, 0.0, 1e-300, 0.5)]
    assert_same(booster, [[value] for value in (*near, -0.0, 1e9, -1e9, 1e10, -1e10, 1e300, -1e300, nan)])


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("DEFAULT_LEFT", 0), ("MISSING_IS_NAN", 1), ("MISSING_IS_ZERO", 3), ("NEARLY_ZERO", 1e-34), ("WORD", 31)],
)
def test_what_is_read_wrongly_is_noticed(monkeypatch: pytest.MonkeyPatch, name: str, wrong: float) -> None:
    """Also in a model of so many thresholds that values beside them are nearly all there is."""
    random = np.random.default_rng(9)
    table = random.normal(0, 10, (20_000, 6))
    table[random.random(table.shape) < 0.1] = nan
    table[:, 5] = random.integers(0, 40, 20_000)
    labels = np.isnan(table[:, 0]) * 3.0 + table[:, 1:5].clip(-9, 9).sum(axis=1, where=~np.isnan(table[:, 1:5]))
    parameters = {"verbose": -1, "num_threads": 1, "zero_as_missing": name in ("MISSING_IS_ZERO", "NEARLY_ZERO")}
    data = lightgbm.Dataset(table, labels + table[:, 5] % 3, categorical_feature=[5])
    booster = lightgbm.train(parameters, data, num_boost_round=100)
    text = booster.model_to_string().encode()
    exact = LightGBM(text, booster.feature_name())
    assert isinstance(with_bit_vectors(text, exact, 6), BitVectors)
    for module in (lightgbm_text, tree_text, bit_vectors):
        monkeypatch.setattr(module, name, wrong, raising=False)
    assert exact is with_bit_vectors(text, exact, 6)


def test_what_is_rare_among_thresholds_is_probed() -> None:
    """Every feature is missing and near zero in many of the rows that both engines are compared by, not in a few."""
    booster = trained(objective="regression", num_leaves=63)
    probes = engine_of(booster)[0].probes()
    assert (np.isnan(probes).sum(axis=0) > 20).all()
    assert ((abs(probes) <= 2 * NEARLY_ZERO).sum(axis=0) > 20).all()
    assert all(len(set(column)) > 40 for column in probes.T)


def test_few_rows_are_walked(boosters: list[lightgbm.Booster]) -> None:
    """One prediction a row, whether there are none, few or many."""
    vectors, exact = engine_of(boosters[0])
    rows = [[1.0, 0.0, 60.0, float(minute)] for minute in range(3 * MANY)]
    for count in (0, 1, MANY - 1, MANY, 3 * MANY):
        assert exact.predict(matrix(rows[:count]), count) == vectors.predict(matrix(rows[:count]), count)
    assert exact.predict_one(rows[3]) == vectors.predict_one(rows[3])


def test_the_service_takes_them_where_they_are_the_same(boosters: list[lightgbm.Booster]) -> None:
    """A small ensemble gets bit vectors; one whose vectors would differ is walked."""
    text = boosters[0].model_to_string().encode()
    features = engines.load("lightgbm-text", text, [type("F", (), {"name": name}) for name in NAMES], None)
    assert isinstance(features, BitVectors)
    other = LightGBM(boosters[1].model_to_string().encode(), NAMES)
    assert other is with_bit_vectors(text, other, len(NAMES))


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"objective": "poisson"}, "objective 'poisson"),
        ({"objective": "regression", "reg_sqrt": True}, "objective"),
        ({"objective": "regression", "num_leaves": 65, "min_data_in_leaf": 1}, "leaves"),
        ({"objective": "regression", "linear_tree": True, "use_missing": False}, "linear"),
    ],
)
def test_what_is_left_to_lightgbm(parameters: dict[str, object], reason: str) -> None:
    """Other kinds of models are walked as before."""
    booster = train(1, **parameters) if parameters["objective"] == "poisson" else trained(**parameters)
    text = booster.model_to_string().encode()
    exact = LightGBM(text, booster.feature_name())
    with pytest.raises(Unsupported, match=reason):
        BitVectors(text, exact, booster.num_feature())
    assert exact is with_bit_vectors(text, exact, booster.num_feature())


def test_memory_is_bounded(boosters: list[lightgbm.Booster], monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors that would take too much are not built."""
    monkeypatch.setattr(bit_vectors, "MOST_BYTES", 1000)
    text = boosters[0].model_to_string().encode()
    with pytest.raises(Unsupported, match="too large"):
        BitVectors(text, LightGBM(text, NAMES), len(NAMES))


def test_only_features_that_are_split_by_cost_anything() -> None:
    """A model that uses two of its 3,000 features takes the time and memory of two; none of the others is looked at."""
    random = np.random.default_rng(4)
    table = random.normal(0, 1, (300, 3000))
    table[:, 2:] = 0.0
    data = lightgbm.Dataset(table, table[:, 0] > table[:, 1])
    booster = lightgbm.train({"objective": "regression", "verbose": -1, "num_threads": 1}, data, num_boost_round=100)
    rows = random.normal(0, 1, (64, 3000))
    assert_same(booster, rows.tolist())
    tracemalloc.start()
    engine_of(booster)[0].predict_many(rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_many_features_are_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit vectors look at every feature that is split by, so a model of many is left to LightGBM."""
    monkeypatch.setattr(bit_vectors, "MOST_FEATURES", 5)
    text = trained(objective="regression").model_to_string().encode()
    with pytest.raises(Unsupported, match="splits by 6 features"):
        BitVectors(text, LightGBM(text, [f"Column_{number}" for number in range(6)]), 6)


@pytest.mark.parametrize("kind", ["binary", "63 leaves", "categories"])
def test_memory_is_known_beforehand(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What vectors are said to take at most is what they do, but for categories that no split names; else nothing."""
    booster = train(1) if kind == "categories" else trained(**KINDS[kind])
    text, features, codes = booster.model_to_string().encode(), booster.num_feature(), 5 * (kind == "categories")
    vectors = BitVectors(text, LightGBM(text, booster.feature_name()), features)
    taken = vectors._words.nbytes + vectors._values.nbytes
    assert taken <= most_bytes(text, features, codes) < 1.3 * taken + (1 << 14)
    monkeypatch.setattr(bit_vectors, "MOST_BYTES", 100)
    assert 0 == most_bytes(text, features, codes)


def test_a_sum_of_negative_zeros_is_zero(boosters: list[lightgbm.Booster]) -> None:
    """As LightGBM's is, which starts at zero; a constant model's leaves may all be negative zeros."""
    text = re.sub("leaf_value=.*", f"leaf_value={' '.join(['-0.0'] * 7)}", boosters[0].model_to_string())
    text = text.replace("objective=binary sigmoid:1", "objective=regression").partition("end of trees")[0]
    model = re.sub("tree_sizes=.*\n", "", f"{text}end of trees\n").encode()
    exact = LightGBM(model, NAMES)
    row = [1.0, 0.0, 60.0, 480.0]
    assert repr([0.0] * 5) == repr(exact.predict(matrix([row] * 5), 5))
    assert repr([0.0] * 5) == repr(BitVectors(model, exact, len(NAMES)).predict(matrix([row] * 5), 5))


def test_a_threshold_that_is_no_number_is_left_to_lightgbm() -> None:
    """What has no order cannot be cut up: Unsupported, not a crash."""
    text = trained(objective="regression").model_to_string()
    odd = re.sub("(?m)(?<=^threshold=)[^ ]+", "nan", text)
    with pytest.raises(Unsupported, match="no number"):
        read(odd.encode())


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff",
        b"tree\nnum_class=1\nnum_tree_per_iteration=1\n\nend of trees\n",
        b"num_class=1\nnum_tree_per_iteration=1\n\nTree=0\nnum_leaves=2\nleaf_value=1 2\n",
        b"num_class=1\nnum_tree_per_iteration=1\n\nTree=0\nnum_leaves=1\nleaf_value=1 2\n",
    ],
)
def test_what_is_no_model(text: bytes) -> None:
    """Text that is not understood is Unsupported, not a crash."""
    with pytest.raises(Unsupported):
        read(text)
