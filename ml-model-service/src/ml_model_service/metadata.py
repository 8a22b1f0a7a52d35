"""The shape of metadata.json: what a model version says of itself, and what a request to it must hold."""

from __future__ import annotations

import json
import math
from itertools import chain
from typing import Annotated, Any, Literal

import msgspec

from ml_model_service.contract import schema as contract
from ml_model_service.contract.version import VERSION

LARGEST = 1.7976931348623157e308
MAX_DEPTH = 100
# one that was never published calls itself so
_VERSION = rf"^(?:unpublished|{VERSION.pattern})\Z"
_NAME = r"^[a-z][a-z0-9-]{0,39}\Z"
# no C0 or C1 control characters: names go into headers of CSV, labels of metrics and lines of logs
_LINE = r"^[^\x00-\x1f\x7f-\x9f]{1,500}\Z"
_MAX_FEATURES, _MAX_GOLDEN = 10_000, 20

FeatureName = Annotated[str, msgspec.Meta(pattern=_LINE)]


class Number(msgspec.Struct, frozen=True, tag="number", tag_field="type"):
    """A finite number within bounds."""

    name: FeatureName
    nullable: bool
    minimum: float = -LARGEST
    maximum: float = LARGEST
    description: str = ""

    def __post_init__(self) -> None:
        if self.minimum > self.maximum:
            raise ValueError(f"{self.name}: the minimum is above the maximum")

    @property
    def allowed(self) -> str:
        """What a request may hold, in words."""
        low = "" if self.minimum == -LARGEST else f" from {self.minimum:g}"
        high = "" if self.maximum == LARGEST else f" up to {self.maximum:g}"
        return f"number{low}{high}{' or null' if self.nullable else ''}"


class WholeNumber(Number, frozen=True, tag="whole"):
    """A number without a fraction, as a graph with inputs of whole numbers takes it. No schema says so itself."""

    @property
    def allowed(self) -> str:
        """What a request may hold, in words."""
        return f"whole {super().allowed}"


class Category(msgspec.Struct, frozen=True, tag="category", tag_field="type"):
    """A string; its position in `values` is its code. When nullable, an unknown one counts as missing."""

    name: FeatureName
    values: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    nullable: bool
    description: str = ""

    def __post_init__(self) -> None:
        if len(set(self.values)) < len(self.values):
            raise ValueError(f"{self.name}: a value is listed twice")

    @property
    def allowed(self) -> str:
        """What a request may hold, in words."""
        return "string or null" if self.nullable else f"one of {', '.join(self.values)}"


Feature = Number | Category


class Output(msgspec.Struct, frozen=True):
    """What a prediction means. `threshold` parts a probability into two decisions."""

    name: str
    description: str = ""
    threshold: float | None = None


class FeatureSchema(msgspec.Struct, frozen=True):
    """The model's inputs, in the order of its columns, and its output."""

    features: Annotated[tuple[Feature, ...], msgspec.Meta(min_length=1, max_length=_MAX_FEATURES)]
    output: Output

    def __post_init__(self) -> None:
        if len({feature.name for feature in self.features}) < len(self.features):
            raise ValueError("two features have the same name")

    @property
    def described(self) -> contract.Schema:
        """The schema as it is compared with those of other versions."""
        output = contract.Output(self.output.name, self.output.threshold)
        return contract.Schema(tuple(_described(feature) for feature in self.features), output)


class FileEntry(msgspec.Struct, frozen=True):
    """A file of the version."""

    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    bytes: Annotated[int, msgspec.Meta(ge=0)]


class Golden(msgspec.Struct, frozen=True):
    """A request row and the prediction that any serving of the model must reproduce."""

    instance: dict[str, Any]
    prediction: float


class OnnxForm(msgspec.Struct, frozen=True):
    """What an ONNX graph takes and gives.

    `codes`: one float tensor (rows, features), a category as its code, missing NaN. `values`: a tensor (rows, 1) for
    each feature, by its name; a category as a string, missing empty. `column` picks one of an output (rows, k).
    """

    output: str
    input: Literal["codes", "values"] = "codes"
    column: int | None = None


class Metadata(msgspec.Struct, frozen=True):
    """metadata.json; what serving does not need is left unread. `input` is what a pickle's model takes."""

    name: Annotated[str, msgspec.Meta(pattern=_NAME)]
    model_file: str
    model_format: str
    files: dict[str, FileEntry]
    feature_schema: dict[str, Any]
    feature_schema_digest: str
    golden: Annotated[tuple[Golden, ...], msgspec.Meta(max_length=_MAX_GOLDEN)] = ()
    version: Annotated[str, msgspec.Meta(pattern=_VERSION)] = "unpublished"
    tolerance: Annotated[float, msgspec.Meta(ge=0)] = 1e-9
    onnx: OnnxForm | None = None
    input: Literal["codes", "values"] = "codes"


def read_metadata(data: bytes) -> Metadata:
    """What metadata.json holds. Raises ValueError, whose message is the mistake.

    By the standard library: it keeps whole numbers of any length, as the schema's digest is made of them, and tells
    of a key that is written twice.
    """
    try:
        document = json.loads(data.decode(), object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_finite)
        _check_depth(document)
        json.dumps(document, ensure_ascii=False).encode()  # no halves of surrogate pairs
    except RecursionError as error:
        raise ValueError("metadata.json is nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"metadata.json is not valid JSON: {error}") from error
    return msgspec.convert(document, Metadata)


def read_schema(feature_schema: dict[str, Any]) -> FeatureSchema:
    """The schema as values. Raises ValueError, whose message is the mistake."""
    entries = feature_schema.get("features")
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("type") == "number" and entry.get("values") is not None:
            raise ValueError(f"feature_schema: the number {entry.get('name')!r} lists values")
    return msgspec.convert(feature_schema, FeatureSchema)


def _described(feature: Feature) -> contract.Feature:
    if isinstance(feature, Category):
        return contract.Feature(feature.name, "category", feature.nullable, feature.values)
    kind = "whole number" if isinstance(feature, WholeNumber) else "number"
    low, high = (bound if abs(bound) < LARGEST else None for bound in (feature.minimum, feature.maximum))
    return contract.Feature(feature.name, kind, feature.nullable, minimum=low, maximum=high)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:60]!r} is written twice")
        found[key] = value
    return found


def _no_number(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")


def _finite(digits: str) -> float:
    if math.isinf(number := float(digits)):
        raise ValueError(f"{digits[:60]} is larger than any float64")
    return number


def _check_depth(document: Any) -> None:
    level = [document]
    for _ in range(MAX_DEPTH + 1):
        level = list(chain.from_iterable(v.values() if isinstance(v, dict) else v for v in level if _holds(v)))
        if not level:
            return
    raise ValueError(f"it is nested more than {MAX_DEPTH} deep")


def _holds(value: Any) -> bool:
    return isinstance(value, dict | list)


def digest_of(feature_schema: dict[str, Any]) -> str:
    """`sha256:<hex>` of the canonical JSON: sorted keys, no spaces."""
    return f"sha256:{contract.canonical_digest(feature_schema)}"
