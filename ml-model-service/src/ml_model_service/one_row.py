"""The most frequent request, one row of JSON, to numbers: decoded and checked by msgspec, in C, against the schema."""

from __future__ import annotations

from math import nan
from typing import Annotated, Any, Literal

import msgspec
from msgspec.structs import astuple

from ml_model_service.schema import Category, Feature, FeatureSchema


class OneRow:
    """Reads `{"instances": [{feature: value, …}]}`; made once for a model's schema."""

    def __init__(self, schema: FeatureSchema) -> None:
        fields = [(f"f{position}", _type(feature)) for position, feature in enumerate(schema.features)]
        names = {f"f{position}": feature.name for position, feature in enumerate(schema.features)}
        row = msgspec.defstruct("Row", fields, rename=names, forbid_unknown_fields=True, gc=False)
        # a tuple of one rather than a bounded list: typing would remember that, and the row type with it, for good
        one = tuple[row]  # type: ignore[valid-type]
        body = msgspec.defstruct("Body", [("instances", one)], forbid_unknown_fields=True, gc=False)
        self._decode = msgspec.json.Decoder(body).decode
        self._codes = [
            (position, dict(zip(feature.values, map(float, range(len(feature.values))), strict=True)).get)
            for position, feature in enumerate(schema.features)
            if isinstance(feature, Category)
        ]

    def read(self, body: bytes | bytearray) -> list[float] | None:
        """The row as (features,) numbers; None for whatever is not exactly one good row: others say why."""
        try:
            row: Any = self._decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        values = list(astuple(row.instances[0]))
        for position, code_of in self._codes:
            # what is no value of the feature got past msgspec only where that means missing
            values[position] = code_of(values[position], nan)
        if None in values:
            return [nan if value is None else value for value in values]
        return values


def _type(feature: Feature) -> Any:
    kind: Any
    if isinstance(feature, Category):
        kind = str if feature.nullable else Literal[feature.values]
    else:
        kind = Annotated[float, msgspec.Meta(ge=feature.minimum, le=feature.maximum)]
    return kind | None if feature.nullable else kind
