"""The schema's names are what clients use; a model file may spell them otherwise, or not at all."""

from __future__ import annotations

from array import array

import numpy as np
import pytest

from lightgbm_alone import lightgbm
from ml_model_service.engines import EngineError
from ml_model_service.engines.lightgbm import LightGBM
from ml_model_service.engines.names import are_meant, inputs_of

NAMES = ["n items", "a-b", "2nd", "x<5"]


@pytest.mark.parametrize(
    ("found", "meant"),
    [
        (NAMES, True),
        (["n_items", "a-b", "2nd", "x<5"], True),
        (["n_items", "a_b", "2nd", "x_5"], True),
        (["Column_0", "Column_1", "Column_2", "Column_3"], True),
        (["f0", "f1", "f2", "f3"], True),
        (["0", "1", "2", "3"], True),
        (["f1", "f2", "f3", "f4"], False),
        (NAMES[:3], False),
        ([*NAMES, "more"], False),
        (NAMES[::-1], False),
        (["a-b", "n items", "2nd", "x<5"], False),
        (["n_items", "other", "2nd", "x<5"], False),
    ],
)
def test_names_are_meant_as_the_library_could_spell_them(found: list[str], meant: bool) -> None:
    """In the schema's order, to the letter, without signs, or by position; never the name of another feature."""
    assert meant == are_meant(found, NAMES)


@pytest.mark.parametrize(
    ("found", "names"),
    [
        (["Column_0", "Column_1"], ["Column_1", "Column_0"]),
        (["Column_0", "Column_1"], ["x", "Column_0"]),
        (["a-b", "a b"], ["a b", "a-b"]),
    ],
)
def test_a_name_that_belongs_to_another_feature_is_no_spelling(found: list[str], names: list[str]) -> None:
    """Else columns would be mixed up silently."""
    assert not are_meant(found, names)


def test_inputs_of_a_graph_have_an_order_of_their_own() -> None:
    """By name, or by a spelling that is like one feature alone."""
    assert {"a": "a", "b c": "b c"} == inputs_of(["b c", "a"], ["a", "b c"])
    assert {"a": "a", "b c": "b_c"} == inputs_of(["b_c", "a"], ["a", "b c"])
    assert {"b-c": "f0", "b c": "f1"} == inputs_of(["f0", "f1"], ["b-c", "b c"])
    assert None is inputs_of(["b_c", "b__c"], ["b-c", "b c"])
    assert None is inputs_of(["b c", "x"], ["b-c", "b c"])


@pytest.mark.parametrize("names", [NAMES, ["😀" * 200, "b", "c", "d"]])
def test_a_lightgbm_model_serves_features_that_it_cannot_spell(names: list[str]) -> None:
    """LightGBM itself writes `n_items` for `n items`, and `Column_0` for what has no name."""
    random = np.random.default_rng(0)
    matrix = random.normal(size=(200, 4))
    settings = {"objective": "binary", "verbose": -1, "num_threads": 1, "min_data_in_leaf": 5}
    for given in ("auto", [name.replace(" ", "_") for name in names]):
        data = lightgbm.Dataset(matrix, matrix[:, 0] > 0, feature_name=given)
        booster = lightgbm.train(settings, data, 3)
        engine = LightGBM(booster.model_to_string().encode(), names)
        assert booster.predict(matrix[:5]).tolist() == engine.predict(array("d", matrix[:5].ravel()), 5)
    with pytest.raises(EngineError, match="are not the schema's"):
        LightGBM(booster.model_to_string().encode(), names[::-1])
