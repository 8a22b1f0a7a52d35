"""The shape of metadata.json: what a model version says of itself, and what a request to it must hold."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

import msgspec
from msgspec.structs import replace

LARGEST = 1.7976931348623157e308
# what a header's value may hold: answers name the version
_HEADER = r"^[ -~]{1,128}\Z"


class Number(msgspec.Struct, frozen=True, tag="number", tag_field="type"):
    """A finite number within bounds."""

    name: str
    nullable: bool = False
    minimum: float = -LARGEST
    maximum: float = LARGEST
    description: str = ""

    @property
    def allowed(self) -> str:
        """What a request may hold, in words."""
        low = "" if self.minimum == -LARGEST else f" from {self.minimum:g}"
        high = "" if self.maximum == LARGEST else f" up to {self.maximum:g}"
        return f"number{low}{high}{' or null' if self.nullable else ''}"


class Category(msgspec.Struct, frozen=True, tag="category", tag_field="type"):
    """A string; its position in `values` is its code. When nullable, an unknown one counts as missing."""

    name: str
    values: tuple[str, ...]
    nullable: bool = False
    description: str = ""

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

    features: tuple[Feature, ...]
    output: Output


class FileEntry(msgspec.Struct, frozen=True):
    """A file of the version."""

    sha256: str
    bytes: int


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

    name: str
    model_file: str
    model_format: str
    files: dict[str, FileEntry]
    feature_schema: dict[str, Any]
    feature_schema_digest: str
    golden: tuple[Golden, ...]
    version: Annotated[str, msgspec.Meta(pattern=_HEADER)] = "unpublished"
    tolerance: float = 1e-9
    onnx: OnnxForm | None = None
    input: Literal["codes", "values"] = "codes"


def takes_all_of(new: FeatureSchema, old: FeatureSchema) -> str | None:
    """Why a request that `old` takes might not suit `new`; None when each one does."""
    names, before = [f.name for f in new.features], [f.name for f in old.features]
    if names != before:
        return f"its features are {', '.join(names)}; clients send {', '.join(before)}"
    for feature, was in zip(new.features, old.features, strict=True):
        if type(feature) is not type(was):
            return f"{feature.name} is no longer a {was.allowed}"
        if was.nullable and not feature.nullable:
            return f"{feature.name} may no longer be null"
        if isinstance(feature, Number) and isinstance(was, Number):
            narrower = feature.minimum > was.minimum or feature.maximum < was.maximum
            if narrower:
                return f"{feature.name} takes {feature.allowed} only, no longer {was.allowed}"
        if isinstance(feature, Category) and isinstance(was, Category):
            gone = [] if feature.nullable else sorted(set(was.values) - set(feature.values))
            if gone:
                return f"{feature.name} no longer takes {', '.join(gone)}"
    return None


def unlike(new: FeatureSchema, old: FeatureSchema) -> str | None:
    """Why `new` can't answer beside `old`; None when requests, rows as codes and predictions mean the same to both.

    What a schema says in words, its descriptions, parts nobody.
    """
    names, before = [f.name for f in new.features], [f.name for f in old.features]
    if names != before:
        return f"its features are {', '.join(names)}, not {', '.join(before)}"
    for feature, other in zip(new.features, old.features, strict=True):
        if replace(feature, description="") == replace(other, description=""):
            continue
        if isinstance(feature, Category) and isinstance(other, Category) and feature.values != other.values:
            return f"{feature.name} has other values, or in another order"
        return f"{feature.name} takes {feature.allowed}, not {other.allowed}"
    if new.output.name != old.output.name:
        return f"its output is {new.output.name}, not {old.output.name}"
    if new.output.threshold != old.output.threshold:
        return f"its output's threshold is {new.output.threshold}, not {old.output.threshold}"
    return None


def digest_of(feature_schema: dict[str, Any]) -> str:
    """`sha256:<hex>` of the canonical JSON: sorted keys, no spaces."""
    canonical = json.dumps(feature_schema, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"
