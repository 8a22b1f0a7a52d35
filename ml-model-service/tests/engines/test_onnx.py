"""ONNX graphs through ONNX Runtime, in both forms that a version may have."""

from __future__ import annotations

import hashlib
import json
from array import array
from math import exp, nan
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from conftest import FEATURES
from ml_model_service.docs.openapi import document as document_of
from ml_model_service.engines import EngineError
from ml_model_service.engines.onnx import Onnx
from ml_model_service.errors import Problem
from ml_model_service.formats.media_types import read_rows
from ml_model_service.formats.npy_rows import write_npy
from ml_model_service.metadata import Category, Feature, Number, OnnxForm, digest_of
from ml_model_service.versions.model import load

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


KINDS = {
    "int64": TensorProto.INT64, "int32": TensorProto.INT32, "int8": TensorProto.INT8, "double": TensorProto.DOUBLE,
    "float": TensorProto.FLOAT, "bool": TensorProto.BOOL, "string": TensorProto.STRING, "float16": TensorProto.FLOAT16,
}  # fmt: skip


def summing(kinds: list[str], shape: list[Any] | None = None, names: str = "abcdef") -> bytes:
    """A graph with an input of each kind whose sum comes out as double; a text counts as its length as a number."""
    nodes, columns = [], []
    for name in names[: len(kinds)]:
        columns.append(f"{name}_number")
        nodes.append(helper.make_node("Cast", [name], [f"{name}_number"], to=TensorProto.DOUBLE))
    nodes.append(helper.make_node("Sum", columns, ["sum"]))
    if len(kinds) == 1:
        nodes[-1] = helper.make_node("ReduceSum", columns, ["sum"], axes=[-1])
    made = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info(n, KINDS[k], shape or [None, 1]) for n, k in zip(names, kinds, strict=False)],
        [helper.make_tensor_value_info("sum", TensorProto.DOUBLE, None)],
    )  # fmt: skip
    return bytes(helper.make_model(made, opset_imports=[helper.make_opsetid("", 12)], ir_version=9).SerializeToString())


def number(name: str, nullable: bool = False, **bounds: float) -> Number:
    """A feature."""
    return Number(name, nullable, **bounds)


def digits(name: str) -> Category:
    """A category whose values ONNX can cast to numbers."""
    return Category(name, ("10", "20"), False)


@pytest.mark.parametrize("shape", [[None, 1], ["rows", 1], ["rows", "columns"], [None]])
def test_a_column_of_each_type(shape: list[Any]) -> None:
    """Whole numbers, doubles to the last bit, true and false, texts, and a category as its code."""
    kinds = ["int64", "double", "bool", "string", "int32", "float"]
    taken = [number("a"), number("b"), number("c"), digits("d"), digits("e"), number("f", True)]
    engine = Onnx(summing(kinds, shape), taken, OnnxForm("sum", "values"))
    row = [2.0**40, 0.1, 1.0, 1.0, 1.0, 0.5]
    assert [2.0**40 + 0.1 + 1 + 20 + 1 + 0.5] == engine.predict(array("d", row), 1)
    allowed = [feature.allowed for feature in engine.features]
    assert "whole number from -9.0072e+15 up to 9.0072e+15" == allowed[0]
    assert ["number", "whole number from 0 up to 1"] == allowed[1:3]


@pytest.mark.parametrize("kind", ["int64", "int8", "double", "float"])
def test_one_matrix_of_each_type(kind: str) -> None:
    """Codes and numbers in one tensor; doubles are not rounded to floats on the way."""
    taken = [number("a", maximum=100), digits("b")]
    engine = Onnx(summing([kind], ["rows", 2]), taken, OnnxForm("sum"))
    value = 0.1 if kind == "double" else 3.0
    assert [value + 1] == engine.predict(array("d", [value, 1.0]), 1)


def test_one_matrix_of_texts() -> None:
    """Where every feature is a category."""
    engine = Onnx(summing(["string"], [None, 2]), [digits("a"), digits("b")], OnnxForm("sum"))
    assert [30.0, 20.0] == engine.predict(array("d", [0.0, 1.0, 0.0, 0.0]), 2)


def test_inputs_are_found_by_their_spelling() -> None:
    """A graph's inputs may be called otherwise than the features, as exporters do that keep to letters."""
    taken = [number("x<5"), number("n items")]
    engine = Onnx(summing(["float", "float"], names=["n_items", "x_5"]), taken, OnnxForm("sum", "values"))  # type: ignore[arg-type]
    assert [7.0] == engine.predict(array("d", [3.0, 4.0]), 1)


@pytest.mark.parametrize(
    ("data", "taken", "form", "why"),
    [
        (summing(["int64"]), [number("a", True)], "codes", '"nullable": false'),
        (summing(["bool"]), [number("a", minimum=2)], "codes", "true and false from 0 to 1; a has none of them"),
        (summing(["string"]), [number("a")], "codes", "make it a category"),
        (summing(["string"], [None, 2]), [number("a"), digits("b")], "codes", "an input for each feature"),
        (summing(["float16"]), [number("a")], "codes", r"is a tensor\(float16\); inputs that can be fed"),
        (summing(["float"], [1, 1]), [number("a")], "codes", r"the shape \[None, 1\]"),
        (summing(["float"], [None, 3]), [number("a"), number("b")], "codes", r"the shape \[None, 2\]"),
        (summing(["float", "float"]), [number("a"), number("c")], "values", "are not the schema's features"),
    ],
)
def test_inputs_that_cannot_be_fed_are_refused(data: bytes, taken: list[Feature], form: Any, why: str) -> None:
    """With what would have to be changed."""
    with pytest.raises(EngineError, match=why):
        Onnx(data, taken, OnnxForm("sum", form))


def test_a_graph_of_whole_numbers_takes_no_fractions(tmp_path: Path) -> None:
    """They are refused by name in every format, instead of being cut; `2.0` is a whole number."""
    data, features = summing(["int64", "double"]), [
        {"name": "a", "type": "number", "nullable": False}, {"name": "b", "type": "number", "nullable": False},
    ]  # fmt: skip
    schema = {"features": features, "output": {"name": "p"}}
    (tmp_path / "m.onnx").write_bytes(data)
    document = {
        "name": "m", "model_file": "m.onnx", "model_format": "onnx",
        "files": {"m.onnx": {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}},
        "feature_schema": schema, "feature_schema_digest": digest_of(schema),
        "golden": [{"instance": {"a": 2.0, "b": 0.25}, "prediction": 2.25}],
        "onnx": {"output": "sum", "input": "values"},
    }  # fmt: skip
    (tmp_path / "metadata.json").write_text(json.dumps(document))
    model = load(tmp_path)
    assert [2.5] == model.predict([{"a": 2, "b": 0.5}])
    for kind, body in (
        ("json", b'{"instances": [{"a": 2.5, "b": 1}]}'),
        ("json", b'{"instances": [[2.5, 1]]}'),
        ("csv", b"2.5,1\n"),
        ("npy", write_npy([[2.5, 1.0]])),
    ):
        with pytest.raises(Problem, match="expected whole number from"):
            read_rows(kind, body, model.encoder, 5)  # type: ignore[arg-type]
    assert [2.0, 1.0] == list(read_rows("json", b'{"instances": [{"a": 2.0, "b": 1}]}', model.encoder, 5)[0])
    assert [2.0, 1.0] == list(read_rows("csv", b"2.0,1\n", model.encoder, 5)[0])
    assert "integer" == document_of(model, 5)["components"]["schemas"]["Instance"]["properties"]["a"]["type"]
