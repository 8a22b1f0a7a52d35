"""LightGBM's C API against its Python package."""

from __future__ import annotations

from array import array
from collections.abc import Callable

import lightgbm
import numpy as np
import pytest

from conftest import FEATURES, train
from ml_model_service.engines import EngineError
from ml_model_service.engines.lightgbm import LightGBM

NAMES = [feature["name"] for feature in FEATURES]


def test_predictions_equal_the_package_to_the_last_bit(boosters: list[lightgbm.Booster]) -> None:
    """The C API gives exactly what the Python package gives, for missing values too."""
    random = np.random.default_rng(5)
    matrix = np.column_stack([random.integers(0, 4, 200), random.integers(0, 2, 200), random.normal(60, 30, (200, 2))])
    matrix = matrix.astype(np.float64)
    matrix[random.random(matrix.shape) < 0.2] = np.nan
    wanted = np.asarray(boosters[0].predict(matrix, num_threads=1)).tolist()
    engine = LightGBM(boosters[0].model_to_string().encode(), NAMES)
    assert wanted == engine.predict(array("d", matrix.ravel().tolist()), 200)
    assert wanted == [engine.predict_one(row) for row in matrix.tolist()]


def test_features_must_be_the_schemas(boosters: list[lightgbm.Booster]) -> None:
    """A model that reads other columns than the schema says is refused."""
    with pytest.raises(EngineError, match="the schema's"):
        LightGBM(boosters[0].model_to_string().encode(), NAMES[::-1])


def test_no_rows_no_predictions(boosters: list[lightgbm.Booster]) -> None:
    """An empty matrix is answered with nothing."""
    assert [] == LightGBM(boosters[0].model_to_string().encode(), NAMES).predict(array("d"), 0)


def test_what_is_no_model_is_refused() -> None:
    """Text that LightGBM cannot read is an error, not a crash."""
    with pytest.raises(EngineError):
        LightGBM(b"not a model\n", NAMES)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_half_a_model_is_refused(boosters: list[lightgbm.Booster], share: float) -> None:
    """A text that was cut off is an error: LightGBM's library would read beyond its end and take the task with it."""
    text = boosters[0].model_to_string().encode()
    with pytest.raises(EngineError, match="cut off"):
        LightGBM(text[: int(share * text.index(b"end of trees"))], NAMES)


@pytest.mark.parametrize(
    ("field", "change", "told"),
    [
        ("left_child", lambda values: ["0", *values[1:]], "do not lead to each of its leaves"),
        ("split_feature", lambda values: ["4", *values[1:]], "split_feature is not within 0 to 3"),
        ("leaf_value", lambda values: values[:-1], "leaf_value has 6 values, expected 7"),
        ("leaf_value", lambda values: ["1e-400", *values[1:]], "no double"),
        ("leaf_count", lambda values: ["many", *values[1:]], "could not convert"),
        ("num_cat", lambda values: [], "num_cat has 0 values, expected 1"),
        ("objective", lambda values: [], "without a name"),
        ("cat_boundaries", lambda values: [*values[:-1], "99"], "expected 99"),
    ],
)
def test_a_damaged_tree_is_refused(
    boosters: list[lightgbm.Booster], field: str, change: Callable[[list[str]], list[str]], told: str
) -> None:
    """What LightGBM's library would not survive, or never come back from, is an error that names the field."""
    lines = boosters[0].model_to_string().split("\n")
    at = next(n for n, line in enumerate(lines) if line.startswith(f"{field}="))
    lines[at] = f"{field}={' '.join(change(lines[at].partition('=')[2].split()))}"
    # by itself the library would notice most wrong sizes
    text = "\n".join(line for line in lines if not line.startswith("tree_sizes="))
    with pytest.raises(EngineError, match=told):
        LightGBM(text.encode(), NAMES)


@pytest.mark.parametrize("sign", ["\r", "\t", "\v", "\f"])
@pytest.mark.parametrize("field", ["leaf_value", "threshold", "decision_type"])
def test_values_are_parted_by_spaces(boosters: list[lightgbm.Booster], field: str, sign: str) -> None:
    """Where Python sees two numbers and LightGBM's library one, it would end the process."""
    text = boosters[0].model_to_string()
    space = text.index(" ", text.index(f"\n{field}="))
    with pytest.raises(EngineError, match=r"carriage returns|something else than spaces"):
        LightGBM(f"{text[:space]}{sign}{text[space + 1 :]}".encode(), NAMES)


def test_a_model_with_several_outputs_is_refused() -> None:
    """Only one prediction a row is supported."""
    text = train(3, objective="multiclass", num_class=3).model_to_string().encode()
    with pytest.raises(EngineError, match="3 outputs"):
        LightGBM(text, NAMES)
