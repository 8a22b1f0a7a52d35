"""ONNX graphs: which ones can be served, and what they take and give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx
from onnx import TensorProto

from ml_model_service.engines.graph_inputs import form_of
from ml_model_service.engines.names import inputs_of
from model_packaging.engines import GraphForm
from model_packaging.refusal import Refusal
from model_packaging.schema import Feature

_DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}
_STEPS_BACK = 8
_AGAIN = "export the graph again (with skl2onnx: options={id(model): {'zipmap': False}})"


def check(data: bytes, features: Sequence[Feature], form: dict[str, Any] | None) -> GraphForm:
    """The graph's inputs and output: as `form` says, else found out. Raises Refusal when it cannot be served."""
    try:
        model = onnx.load_model_from_string(data)
        foreign = {opset.domain for opset in model.opset_import} | {node.domain for node in model.graph.node}
        if foreign := foreign - _DOMAINS:
            raise Refusal(f"the graph uses operators of {', '.join(sorted(foreign))}", "keep to ONNX's own operators")
        if any(tensor.data_location == TensorProto.EXTERNAL for tensor in model.graph.initializer):
            raise Refusal("the graph keeps its weights in another file", "save it with them inside")
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError, UnicodeDecodeError) as error:
        raise Refusal(f"it is not a valid ONNX graph: {str(error)[:300]}", _AGAIN) from error
    except Refusal:
        raise
    except Exception as error:  # protobuf's own types
        raise Refusal(f"it is not an ONNX graph: {str(error)[:300]}", _AGAIN) from error
    wanted = (form or {}).get("input") or form_of(
        [given.name for given in model.graph.input], [f.name for f in features]
    )
    output = (form or {}).get("output") or _output(model.graph)
    return GraphForm(wanted, output, _column(model.graph, output, form))


def single_inputs(data: bytes, features: Sequence[Feature]) -> list[int]:
    """The numbers that a graph takes in single precision."""
    inputs = {given.name: given.type.tensor_type.elem_type for given in onnx.load_model_from_string(data).graph.input}
    of_all = next(iter(inputs.values())) if len(inputs) == 1 else None
    found = inputs_of(list(inputs), [feature.name for feature in features]) or {}
    kinds = [inputs.get(found.get(feature.name, ""), of_all) for feature in features]
    return [
        n
        for n, (feature, kind) in enumerate(zip(features, kinds, strict=True))
        if kind == TensorProto.FLOAT and not feature.is_category
    ]


def _output(graph: onnx.GraphProto) -> str:
    floats = [o for o in graph.output if o.type.tensor_type.elem_type in (TensorProto.FLOAT, TensorProto.DOUBLE)]
    if len(floats) != 1:
        names = ", ".join(output.name for output in graph.output)[:300]
        raise Refusal(f"which output is the prediction? There are {names}", "name it in metadata.json: onnx.output")
    return str(floats[0].name)


def _column(graph: onnx.GraphProto, output: str, form: dict[str, Any] | None) -> int | None:
    found = [given for given in graph.output if given.name == output]
    if not found:
        raise Refusal(f"the graph has no output {output!r}", "name one of its outputs in metadata.json: onnx.output")
    sides = found[0].type.tensor_type.shape.dim
    width = sides[1].dim_value if len(sides) == 2 else 1
    if form is not None and "column" in form:
        column = form["column"]
        if column is None:
            return None
        if type(column) is not int or column < 0 or len(sides) != 2 or 0 < width <= column:
            raise Refusal(
                f"output {output!r} has {width or 'an unknown number of'} columns; there is no column {column!r}",
                "name one of them in metadata.json: onnx.column, counted from 0",
            )
        return column
    if width > 2:
        raise Refusal(f"output {output!r} has {width} columns", "name the one to serve in metadata.json: onnx.column")
    if width != 2:
        return None
    classes = _classes(graph, output)
    if len(classes) == 2 and classes[0] > classes[1]:
        raise Refusal(
            f"the columns of output {output!r} are the classes {classes[0]!r} and {classes[1]!r}, in that order: "
            "which one is the prediction?",
            "name it in metadata.json: onnx.column, counted from 0",
        )
    return 1


def _classes(graph: onnx.GraphProto, output: str) -> list[Any]:
    """The labels of an output's columns, as the classifier that makes them lists them; empty where nothing says so."""
    makers = {made: node for node in graph.node for made in node.output}
    for _ in range(_STEPS_BACK):
        node = makers.get(output)
        if node is None or not node.input:
            return []
        for attribute in node.attribute:
            if attribute.name.startswith("classlabels_"):
                return [*attribute.ints, *(text.decode(errors="replace") for text in attribute.strings)]
        output = node.input[0]
    return []
