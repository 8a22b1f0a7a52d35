"""Scikit-learn's estimators as ONNX graphs, which all take one matrix of the schema's codes.

The graph holds no feature names: columns are picked by position, so that a feature may be called anything. It holds no
texts either: encoders and imputers get a number for each text, and the graph begins by turning codes into these.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import skl2onnx
from onnx import TensorProto, helper, numpy_helper
from skl2onnx.common.data_types import FloatTensorType
from sklearn.base import is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import VotingClassifier

from model_packaging import calibration, graphs, special, targets
from model_packaging.engines import GraphForm
from model_packaging.refusal import Refusal
from model_packaging.schema import Feature

_INPUT, _NUMBERED, _PREDICTION = "input", "texts_as_numbers", "prediction"


def convert(estimator: Any, features: Sequence[Feature], takes_values: bool) -> tuple[bytes, GraphForm]:
    """A fitted estimator as a graph. Raises Refusal when it cannot be converted."""
    estimator, inverse = targets.regressor_and_inverse(calibration.at_last_steps(copy.deepcopy(estimator)))
    texts = _Texts(features, estimator) if takes_values else None
    for part in special.parts(estimator):
        if isinstance(part, ColumnTransformer) and hasattr(part, "transformers_"):
            positions = part._transformer_to_input_indices
            part.transformers_ = [(name, step, list(positions[name])) for name, step, _ in part.transformers_]
        if isinstance(part, VotingClassifier):
            part.flatten_transform = False  # predictions do not depend on it, and skl2onnx refuses it
        if isinstance(getattr(part, "weights", None), list | tuple):
            part.weights = np.array(part.weights)
        if texts is not None:
            texts.number(part)
    options = {id(estimator): {"zipmap": False}} if is_classifier(estimator) else None
    try:
        model = skl2onnx.convert_sklearn(
            estimator, "model", [(_INPUT, FloatTensorType([None, len(features)]))], options=options
        )
    except Exception as error:  # each converter raises what it likes
        said = f"{type(error).__name__}: {error}".strip().splitlines()[0][:300]
        raise Refusal(f"skl2onnx does not convert it: {said}", "publish it as another format") from error
    if texts is not None:
        texts.put_before(model.graph)
    if inverse:
        _put_after(model.graph, features, inverse)
    data = model.SerializeToString()
    return data, graphs.check(data, features, None)


class _Texts:
    """A number for each text that a category or a step of the estimator knows; the last number stands for missing."""

    def __init__(self, features: Sequence[Feature], estimator: Any) -> None:
        known = dict.fromkeys(value for feature in features for value in feature.values)
        for part in special.parts(estimator):
            for values in [*getattr(part, "categories_", ()), getattr(part, "statistics_", ())]:
                known |= dict.fromkeys(value for value in np.asarray(values).tolist() if isinstance(value, str))
        self._numbers = {value: float(n) for n, value in enumerate(known)}
        self._missing = float(len(known))
        self._features = features

    def number(self, part: Any) -> None:
        """Change an encoder or imputer of texts so that it takes numbers."""
        if isinstance(categories := getattr(part, "categories_", None), list):
            part.categories_ = [self._of(values) for values in categories]
        statistics = getattr(part, "statistics_", None)
        if isinstance(statistics, np.ndarray) and statistics.dtype.kind in "OU":
            part.statistics_ = self._of(statistics)
            part.missing_values, part._fit_dtype, part.fill_value = self._missing, np.dtype(np.float64), None

    def put_before(self, graph: onnx.GraphProto) -> None:
        """Let the graph begin by turning each category's code into its text's number."""
        categories = [n for n, feature in enumerate(self._features) if feature.is_category]
        if not categories:
            return
        for node in graph.node:
            node.input[:] = [_NUMBERED if name == _INPUT else name for name in node.input]
        others = [n for n in range(len(self._features)) if n not in categories]
        sizes = [len(self._features[n].values) for n in categories]
        table = [
            number
            for n in categories
            for number in (*(self._numbers[value] for value in self._features[n].values), self._missing)
        ]
        starts = np.cumsum([0, *(size + 1 for size in sizes[:-1])])
        tables = {
            "tx_categories": np.array(categories, np.int64),
            "tx_others": np.array(others, np.int64),
            "tx_missing": np.array(sizes, np.float32),
            "tx_starts": np.array(starts, np.int64),
            "tx_numbers": np.array(table, np.float32),
            "tx_order": np.argsort([*categories, *others]).astype(np.int64),
        }
        graph.initializer.extend(numpy_helper.from_array(values, name) for name, values in tables.items())
        nodes = [
            helper.make_node("Gather", [_INPUT, "tx_categories"], ["tx_codes"], axis=1),
            helper.make_node("IsNaN", ["tx_codes"], ["tx_absent"]),
            helper.make_node("Where", ["tx_absent", "tx_missing", "tx_codes"], ["tx_known"]),
            helper.make_node("Cast", ["tx_known"], ["tx_whole"], to=TensorProto.INT64),
            helper.make_node("Add", ["tx_whole", "tx_starts"], ["tx_places"]),
            helper.make_node("Gather", ["tx_numbers", "tx_places"], ["tx_found"], axis=0),
            helper.make_node("Gather", [_INPUT, "tx_others"], ["tx_rest"], axis=1),
            helper.make_node("Concat", ["tx_found", "tx_rest"], ["tx_all"], axis=1),
            helper.make_node("Gather", ["tx_all", "tx_order"], [_NUMBERED], axis=1),
        ]
        for place, node in enumerate(nodes):
            graph.node.insert(place, node)

    def _of(self, values: Any) -> Any:
        if values.dtype.kind not in "OU":
            return values
        return np.array([self._numbers.get(value, self._missing) for value in values.tolist()])


def _put_after(graph: onnx.GraphProto, features: Sequence[Feature], inverse: Sequence[targets.Step]) -> None:
    """Let the graph end by inverting the target's transformation, in double precision."""
    names = [output.name for output in graph.output if output.type.tensor_type.elem_type == TensorProto.FLOAT]
    if len(names) != 1:
        raise Refusal(f"the regressor has the outputs {', '.join(names)}", "train it for one output")
    nodes, last = [helper.make_node("Cast", names, ["tt_0"], to=TensorProto.DOUBLE)], "tt_0"
    for n, (operator, *constants) in enumerate(inverse, 1):
        graph.initializer.extend(
            numpy_helper.from_array(np.array(value, np.float64), f"tt_{n}_{m}") for m, value in enumerate(constants)
        )
        given = [last, *(f"tt_{n}_{m}" for m in range(len(constants)))]
        last = _PREDICTION if n == len(inverse) else f"tt_{n}"
        nodes.append(helper.make_node(operator, given, [last]))
    graph.node.extend(nodes)
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(_PREDICTION, TensorProto.DOUBLE, [None, 1]))
