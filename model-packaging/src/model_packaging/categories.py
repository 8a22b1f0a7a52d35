"""Categories that a model lists itself: LightGBM and XGBoost models of pandas tables know values, not codes.

The position of a value in the model's own list is its code there; the schema may list the values in another order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import xgboost

from model_packaging import special
from model_packaging.columns import Columns
from model_packaging.refusal import Refusal
from model_packaging.schema import Feature, Matrix, Vector

_SHOWN = 5
_AGREE = "make feature_schema and the table that the model was trained on agree"


@dataclass(frozen=True)
class OwnCategories:
    """`known[position]` lists the feature's values in the order of the model's codes; None is a plain number."""

    features: tuple[Feature, ...]
    known: tuple[tuple[object, ...] | None, ...]

    @cached_property
    def tables(self) -> dict[int, Vector]:
        """For each category the model's code by the schema's code; the last entry is for missing."""
        found = {}
        for position, (feature, known) in enumerate(zip(self.features, self.known, strict=True)):
            if known is not None:
                codes = {_written(feature, value): float(code) for code, value in enumerate(known)}
                found[position] = np.array([*(codes.get(value, np.nan) for value in feature.values), np.nan])
        return found

    @property
    def in_order(self) -> bool:
        """Whether the model's codes are the schema's."""
        return all(np.array_equal(table[:-1], np.arange(len(table) - 1)) for table in self.tables.values())

    def codes(self, matrix: Matrix) -> Matrix:
        """The matrix with the model's codes in place of the schema's; NaN for a value that the model does not know."""
        made = matrix.copy()
        for position, table in self.tables.items():
            made[:, position] = table[np.where(np.isnan(matrix[:, position]), -1, matrix[:, position]).astype(np.intp)]
        return made

    def frame(self, matrix: Matrix) -> pd.DataFrame:
        """The table as the model's author has it: pandas categories in the model's own order."""
        codes = self.codes(matrix)
        return pd.DataFrame(
            {
                feature.name: codes[:, n]
                if known is None
                else pd.Categorical.from_codes(np.nan_to_num(codes[:, n], nan=-1).astype(int), pd.Index(known))
                for n, (feature, known) in enumerate(zip(self.features, self.known, strict=True))
            }
        )

    def columns(self, single: bool) -> Columns:
        """What the trees see: the model's codes, and the numbers as they come."""
        numbers = [position for position, known in enumerate(self.known) if known is None]
        typical = np.zeros(len(self.features))
        return Columns(range(len(self.features)), single=single, transform=self.codes, typical=typical, passed=numbers)


def of_lightgbm(booster: lightgbm.Booster, features: Sequence[Feature]) -> OwnCategories | None:
    """What `pandas_categorical` says, None where the model takes codes. Raises Refusal when the schema contradicts it.

    The file does not say which columns the lists belong to: they are those of the categories, in their order.
    """
    lists = booster.pandas_categorical
    if not lists:
        return None
    positions = [position for position, feature in enumerate(features) if feature.is_category]
    if len(lists) != len(positions):
        raise Refusal(
            f"the model was trained on a table with {len(lists)} categories (pandas_categorical); "
            f"feature_schema has {len(positions)}",
            _AGREE,
        )
    known: list[tuple[object, ...] | None] = [None] * len(features)
    for position, values in zip(positions, lists, strict=True):
        known[position] = tuple(values)
    return _checked_against_schema(features, known, "LightGBM", must_know=False)


def of_xgboost(booster: xgboost.Booster, features: Sequence[Feature]) -> OwnCategories | None:
    """What the model says in `cats`, None where it takes codes. Raises Refusal when the schema contradicts it."""
    text = bytes(booster.save_raw("json"))
    if not has_cats(text):
        return None
    holder = holder_of_cats(json.loads(text))
    encodings = holder["cats"]["enc"] if holder else []
    if not encodings:
        return None
    known = [_xgboost_values(encoding) for encoding in encodings]
    for feature, values in zip(features, known, strict=True):
        if (values is not None) != feature.is_category:
            a, b = ("number", "category") if values is not None else ("category", "number")
            raise Refusal(f"{feature.name} is a {a} in the schema and a {b} to the model", _AGREE)
    return _checked_against_schema(features, known, "XGBoost", must_know=True)


def check_encoders(estimator: Any, features: Sequence[Feature], takes_values: bool) -> None:
    """Raise Refusal where an encoder was fitted to other values than it would be given, which it would not know.

    An encoder of texts may know only some of the values. An encoder of codes knows positions in the list: any other
    number shows that it was fitted to other numbers.
    """
    filled = [set[object]() for _ in features]
    for part, columns in special.first_steps(estimator, features):
        for position, value in zip(columns, getattr(part, "statistics_", ()), strict=False):
            filled[position].add(value)
        for position, known in zip(columns, getattr(part, "categories_", ()), strict=False):
            feature = features[position]
            given = set(feature.values) if takes_values else set(feature.codes.values())
            told = [value for value in np.asarray(known).tolist() if value == value and value is not None]
            unlisted = set(told) - given - filled[position]
            if feature.is_category and unlisted and (not takes_values or not given & set(told)):
                shown, wanted = (", ".join(map(repr, list(some)[:_SHOWN])) for some in (told, sorted(given)))
                raise Refusal(
                    f"{feature.name}: the model was fitted to {shown}, and is given {wanted}",
                    'list the values as in training; `"input": "values"` in metadata.json gives them as text, without '
                    "it the model gets positions in the list. A category of numbers is best a number in the schema",
                )


def has_cats(text: bytes) -> bool:
    """Whether an XGBoost model, as the library's JSON, may list categories; saves parsing a large one that does not."""
    return b'"cats"' in text and b'"cats":{"enc":[],' not in text


def holder_of_cats(document: Any) -> dict[str, Any] | None:
    """The part of an XGBoost model, as JSON, with its categories (`cats`): its place depends on the booster."""
    if not isinstance(document, dict):
        return None
    if "cats" in document:
        return document
    return next((found for part in document.values() if (found := holder_of_cats(part)) is not None), None)


def _xgboost_values(encoding: Mapping[str, Any]) -> tuple[object, ...] | None:
    values, offsets = encoding["values"], encoding.get("offsets")
    if offsets is None:
        return tuple(values)
    text = np.array(values, dtype=np.int8).tobytes()
    if offsets and (not text.isascii() or offsets[-1] != len(text)):
        # its offsets count characters instead of bytes
        raise Refusal(
            f"XGBoost {xgboost.__version__} garbles categories that are not plain ASCII when it stores them",
            "train it on categories in ASCII, or on codes",
        )
    return tuple(text[a:b].decode() for a, b in pairwise(offsets)) or None


def _written(feature: Feature, value: object) -> str:
    """The value as the schema spells it: pandas may hold a whole number as a double, and true and false as booleans."""
    text = str(value)
    spellings = (
        text,
        text.removesuffix(".0") if isinstance(value, float) else text.lower() if isinstance(value, bool) else text,
    )
    return next((spelling for spelling in spellings if spelling in feature.codes), text)


def _checked_against_schema(
    features: Sequence[Feature], known: Sequence[tuple[object, ...] | None], library: str, must_know: bool
) -> OwnCategories:
    for feature, values in zip(features, known, strict=True):
        if values is None:
            continue
        texts = [_written(feature, value) for value in values]
        if len(set(texts)) != len(texts):
            raise Refusal(f"{feature.name}: two of the model's categories are written alike", _AGREE)
        unlisted = [text for text in texts if text not in feature.codes]
        if unlisted and feature.nullable:
            raise Refusal(
                f"{feature.name}: the model knows {', '.join(unlisted[:_SHOWN])}, which feature_schema does not list "
                "and a service would take for missing",
                f"list every value that the model knows in feature_schema: {feature.name}",
            )
        unknown = [value for value in feature.values if value not in texts]
        if unknown and (must_know or len(unknown) == len(feature.values)):
            raise Refusal(
                f"{feature.name}: feature_schema lists {', '.join(unknown[:_SHOWN])}, which the model does not know; "
                f"{library} knows {', '.join(texts[:_SHOWN])}",
                f"list only values that the model knows in feature_schema: {feature.name}",
            )
    return OwnCategories(tuple(features), tuple(known))
