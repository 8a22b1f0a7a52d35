"""ONNX graphs through ONNX Runtime, in both forms that a version may have."""

from __future__ import annotations

from array import array
from math import exp, nan
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from conftest import FEATURES
from ml_model_service.engines import EngineError
from ml_model_service.engines.onnx import Onnx
from ml_model_service.schema import Feature, OnnxForm

WEIGHTS = [0.5, -1.0, 0.01, 0.001]


def features() -> list[Feature]:
    """The schema's features."""
    import msgspec

    return msgspec.convert(FEATURES, list[Feature])


def graph(nodes: list[Any], inputs: list[Any], outputs: list[Any], weights: list[Any]) -> bytes:
    """A checked graph as bytes."""
    domains = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 4)]
    made = helper.make_graph(nodes, "g", inputs, outputs, weights)
    model = helper.make_model(made, opset_imports=domains, ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def logistic() -> bytes:
    """Codes in, `probabilities` (rows, 2) out: a logistic regression."""
    matrix = numpy_helper.from_array(np.array(WEIGHTS, dtype=np.float32).reshape(4, 1), "w")
    one = numpy_helper.from_array(np.array([1.0], dtype=np.float32), "one")
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["z"]),
        helper.make_node("Sigmoid", ["z"], ["p"]),
        helper.make_node("Sub", ["one", "p"], ["q"]),
        helper.make_node("Concat", ["q", "p"], ["probabilities"], axis=1),
    ]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])
    found = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])
    return graph(nodes, [given], [found], [matrix, one])


def by_name() -> bytes:
    """A column for each feature; the airline's place in the alphabet plus the minute comes out."""
    names = [feature["name"] for feature in FEATURES]
    kinds = [TensorProto.STRING if feature["type"] == "category" else TensorProto.FLOAT for feature in FEATURES]
    nodes = [
        helper.make_node(
            "LabelEncoder", ["airline"], ["code"], domain="ai.onnx.ml",
            keys_strings=["AA", "B6", "UA"], values_floats=[1.0, 2.0, 3.0], default_float=100.0,
        ),
        helper.make_node("Add", ["code", "minute"], ["sum"]),
    ]  # fmt: skip
    inputs = [helper.make_tensor_value_info(name, kind, [None, 1]) for name, kind in zip(names, kinds, strict=True)]
    return graph(nodes, inputs, [helper.make_tensor_value_info("sum", TensorProto.FLOAT, [None, 1])], [])


def test_a_matrix_of_codes_gives_the_column_that_is_asked_for() -> None:
    """Rows go in as one float matrix; one column of the output is the prediction."""
    engine = Onnx(logistic(), features(), OnnxForm("probabilities", "codes", 1))
    rows = [[0.0, 1.0, 71.5, 480.0], [2.0, 0.0, 10.0, 1.0]]
    wanted = [1 / (1 + exp(-sum(w * v for w, v in zip(WEIGHTS, row, strict=True)))) for row in rows]
    found = engine.predict(array("d", [value for row in rows for value in row]), 2)
    assert found == pytest.approx(wanted, abs=1e-6)
    assert found[:1] == [engine.predict_one(rows[0])]


def test_columns_by_name_get_the_categories_as_text() -> None:
    """Codes become the schema's strings again, a missing one the empty string."""
    engine = Onnx(by_name(), features(), OnnxForm("sum", "values"))
    values = array("d", [1.0, 0.0, nan, 5.0, nan, 0.0, 1.0, 7.0])
    assert [7.0, 107.0] == engine.predict(values, 2)


@pytest.mark.parametrize(
    ("data", "form", "why"),
    [
        (b"no graph", OnnxForm("p"), "does not load"),
        (logistic(), None, "no `onnx` section"),
        (logistic(), OnnxForm("nothing"), "has no output 'nothing'"),
        (logistic(), OnnxForm("probabilities", "values"), "are not the schema's features"),
        (by_name(), OnnxForm("sum", "codes"), "has 4 inputs"),
    ],
)
def test_what_does_not_fit_is_refused(data: bytes, form: OnnxForm | None, why: str) -> None:
    """A graph that cannot serve is refused when it is loaded, with the reason."""
    with pytest.raises(EngineError, match=why):
        Onnx(data, features(), form)
