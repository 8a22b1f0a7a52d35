"""The inputs of an ONNX graph: which features they take, of which types, and rows of numbers as they want them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ml_model_service.engines import EngineError
from ml_model_service.engines.names import inputs_of
from ml_model_service.metadata import Category, Feature, Number, WholeNumber

Matrix = np.ndarray[Any, np.dtype[np.float64]]
Feed = Callable[[Matrix], Any]
# a float64 tells whole numbers apart up to here
_EXACT = 2.0**53
_FLOATS = {"tensor(float)": np.float32, "tensor(double)": np.float64}
_WHOLE = {f"tensor({sign}int{size})": np.dtype(f"{sign}int{size}") for sign in ("", "u") for size in (64, 32, 16, 8)}
_BOOL, _STRING = "tensor(bool)", "tensor(string)"


@dataclass(frozen=True, slots=True)
class Input:
    """One of a graph's inputs; `type` as ONNX Runtime writes it, `shape` with None or a name for what is open."""

    name: str
    type: str
    shape: Sequence[Any]


class GraphInputs:
    """How rows become a graph's inputs. `features` are the schema's, narrowed to what the inputs can hold."""

    def __init__(self, inputs: Sequence[Input], features: Sequence[Feature], form: Literal["codes", "values"]) -> None:
        """Raises EngineError when they do not fit; its message says what would."""
        if form == "codes":
            if len(inputs) != 1:
                raise EngineError(f"the graph has {len(inputs)} inputs; one matrix of codes is expected")
            self.features, feed = _matrix(inputs[0], features)
            self._feeds: dict[str, Feed] = {inputs[0].name: feed}
            return
        names = [feature.name for feature in features]
        found = inputs_of([given.name for given in inputs], names)
        if found is None:
            told = ", ".join(given.name for given in inputs)[:300]
            raise EngineError(f"the graph's inputs are not the schema's features {names}: {told}"[:900])
        by_name = {given.name: given for given in inputs}
        made = [_column(by_name[found[feature.name]], n, feature) for n, feature in enumerate(features)]
        self.features = tuple(feature for feature, _ in made)
        self._feeds = {found[name]: feed for name, (_, feed) in zip(names, made, strict=True)}

    def feed(self, matrix: Matrix) -> dict[str, Any]:
        """The inputs for rows of shape (rows, features): codes, NaN is missing."""
        return {name: feed(matrix) for name, feed in self._feeds.items()}


def form_of(inputs: Sequence[str], names: Sequence[str]) -> Literal["codes", "values"]:
    """What a graph with these inputs takes where nobody said so."""
    return "values" if len(inputs) > 1 and inputs_of(inputs, names) is not None else "codes"


def _matrix(given: Input, features: Sequence[Feature]) -> tuple[tuple[Feature, ...], Feed]:
    """One tensor of all features: numbers, a category as its code; or texts, where all are categories."""
    if len(features) == 1:
        narrowed, feed = _column(given, 0, features[0])
        return (narrowed,), feed
    if len(given.shape) != 2 or not _fits(given, len(features)):
        raise _misshaped(given, len(features))
    if given.type == _STRING:
        numbers = [feature.name for feature in features if not isinstance(feature, Category)]
        if numbers:
            raise EngineError(
                f"input {given.name} takes texts, and {numbers[0]} is a number: "
                "export the graph with an input for each feature, or with one of numbers"
            )
        feeds = [_texts(feature, n) for n, feature in enumerate(features) if isinstance(feature, Category)]
        return tuple(features), lambda matrix: np.hstack([feed(matrix) for feed in feeds])
    kind = _number_type(given)
    return tuple(_narrowed(given, feature, kind) for feature in features), lambda matrix: matrix.astype(
        kind, copy=False
    )


def _column(given: Input, position: int, feature: Feature) -> tuple[Feature, Feed]:
    """A tensor of one feature, of shape (rows, 1) or (rows,)."""
    if len(given.shape) not in (1, 2) or not _fits(given, 1):
        raise _misshaped(given, 1)
    if given.type == _STRING:
        if not isinstance(feature, Category):
            raise EngineError(f"input {given.name} takes texts, and {feature.name} is a number: make it a category")
        narrowed: Feature = feature
        feed = _texts(feature, position)
    else:
        kind = _number_type(given)
        narrowed = _narrowed(given, feature, kind)

        def feed(matrix: Matrix) -> Any:
            return matrix[:, position : position + 1].astype(kind)

    return narrowed, feed if len(given.shape) == 2 else lambda matrix: feed(matrix).reshape(-1)


def _number_type(given: Input) -> Any:
    kind = _FLOATS.get(given.type) or _WHOLE.get(given.type) or (np.dtype(bool) if given.type == _BOOL else None)
    if kind is None:
        allowed = ", ".join([*_FLOATS, *_WHOLE, _BOOL, _STRING])
        raise EngineError(f"input {given.name} is a {given.type}; inputs that can be fed: {allowed}")
    return kind


def _narrowed(given: Input, feature: Feature, kind: Any) -> Feature:
    """The feature as far as a tensor of this type can hold it. Raises EngineError where it cannot hold missing ones."""
    if kind in (np.float32, np.float64):
        return feature
    what = "true and false" if given.type == _BOOL else "whole numbers"
    if feature.nullable:
        raise EngineError(
            f"input {given.name} takes {what}, which cannot be missing, and {feature.name} may be: "
            'write `"nullable": false` into feature_schema, or export the graph with float inputs'
        )
    if not isinstance(feature, Number):
        return feature
    low, high = (0.0, 1.0) if given.type == _BOOL else _range(kind)
    if max(low, feature.minimum) > min(high, feature.maximum):
        raise EngineError(f"input {given.name} takes {what} from {low:g} to {high:g}; {feature.name} has none of them")
    return WholeNumber(
        feature.name, feature.nullable, max(low, feature.minimum), min(high, feature.maximum), feature.description
    )


def _range(kind: Any) -> tuple[float, float]:
    limits = np.iinfo(kind)
    return max(-_EXACT, float(limits.min)), min(_EXACT, float(limits.max))


def _texts(feature: Category, position: int) -> Feed:
    """Codes as the schema's strings again, a missing one as the empty string."""
    table = np.array([*feature.values, ""], dtype=object)

    def feed(matrix: Matrix) -> Any:
        column = matrix[:, position : position + 1]
        return table[np.where(np.isnan(column), len(feature.values), column).astype(np.intp)]

    return feed


def _fits(given: Input, width: int) -> bool:
    """Whether the tensor takes any number of rows of so many values; what is open is None or has a name."""
    rows, *values = given.shape
    return not isinstance(rows, int) and all(side == width or not isinstance(side, int) for side in values)


def _misshaped(given: Input, width: int) -> EngineError:
    return EngineError(
        f"input {given.name} is of shape {list(given.shape)}; expected any number of rows by {width}: "
        f"export the graph with the shape [None, {width}]"
    )
