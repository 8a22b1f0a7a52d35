"""Rows to the matrix a model reads, compiled once from the model's own feature schema."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import msgspec
from msgspec.structs import astuple

from ml_model_service.errors import MISSING, Detail, Problem, invalid, shortened
from ml_model_service.formats.columns import CategoryColumn, Unfit, column_of
from ml_model_service.metadata import Feature, FeatureSchema

MAX_DETAILS = 20
_LONGEST_ALLOWED = 200


@dataclass(frozen=True, slots=True)
class Words:
    """How a format's error messages name a value's place and what is allowed there."""

    place: Callable[[int, str], str]
    allowed: Callable[[Feature], str] = lambda feature: feature.allowed


def json_words(path: str) -> Words:
    """Words for the rows of the JSON array at `path`: `instances[3].temp`."""
    return Words(lambda row, name: f"{path}[{row}].{name}")


_INSTANCES = json_words("instances")
_UNSPELLABLE = re.compile(r'["\\]')


def _decode_nothing(_: bytes | bytearray) -> Any:
    raise Unfit


class Encoder:
    """Checks rows and turns them into numbers: a category into its code, a missing value into NaN.

    What it gives is of shape (rows * features,), one row after the other.
    """

    def __init__(self, schema: FeatureSchema) -> None:
        """Compile the schema. Raises ValueError when a name is there twice."""
        self.columns = [column_of(feature) for feature in schema.features]
        self.names = tuple(feature.name for feature in schema.features)
        self._known = frozenset(self.names)
        if len(self._known) != len(self.names):
            raise ValueError("two features have the same name")
        # msgspec checks rows of these types in C; features' names need not be Python names
        fields: list[Any] = [(f"f{position}", column.type) for position, column in enumerate(self.columns)]
        self.array_row: type[msgspec.Struct] = msgspec.defstruct(
            "ArrayRow", fields, array_like=True, forbid_unknown_fields=True, gc=False
        )
        self.object_row: type[msgspec.Struct] | None = None
        self.decode_row: Callable[[bytes | bytearray], Any] = _decode_nothing
        self._decode_body: Callable[[bytes | bytearray], Any] = _decode_nothing
        # msgspec cannot read keys with quotes or backslashes: rows with such names are checked value by value
        if not any(map(_UNSPELLABLE.search, self.names)):
            rename = {f"f{position}": name for position, name in enumerate(self.names)}
            row = msgspec.defstruct("ObjectRow", fields, rename=rename, forbid_unknown_fields=True, gc=False)
            body = msgspec.defstruct("Body", [("instances", list[row])], forbid_unknown_fields=True, gc=False)  # type: ignore[valid-type]
            self.object_row, self.decode_row = row, msgspec.json.Decoder(row).decode
            self._decode_body = msgspec.json.Decoder(body).decode
        self._codes = [
            (position, column.codes)
            for position, column in enumerate(self.columns)
            if isinstance(column, CategoryColumn)
        ]

    def instances(self, body: bytes | bytearray, max_rows: int) -> list[float] | None:
        """The numbers of `{"instances": [{feature: value, …}, …]}`, which nearly all clients send.

        None for all that is not 1 to `max_rows` good rows; `read_json` then finds out why.
        """
        try:
            rows = self._decode_body(body).instances
            return self.of_structs(rows) if 1 <= len(rows) <= max_rows else None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, Unfit):
            return None

    def of_structs(self, rows: Sequence[msgspec.Struct]) -> list[float]:
        """The numbers of rows of type `object_row` or `array_row`. Raises Unfit."""
        values: list[Any] = []
        try:
            for row in rows:
                of_row = list(astuple(row))
                for position, codes in self._codes:
                    of_row[position] = codes[of_row[position]]
                values += of_row
        except KeyError:
            raise Unfit from None
        return [nan if value is None else value for value in values] if None in values else values

    def assemble(self, columns: Iterable[Iterable[float]], rows: int) -> array[float]:
        """The matrix of columns in schema order, each of `rows` numbers."""
        width = len(self.names)
        matrix = array("d", bytes(8 * width * rows))
        for position, numbers in enumerate(columns):
            matrix[position::width] = array("d", numbers)
        return matrix

    def encode(self, rows: Sequence[dict[str, Any]], words: Words = _INSTANCES) -> array[float]:
        """The matrix of any rows, value by value. Raises Problem 422 that names rows and fields.

        Slower than `of_structs`, which is why that is tried first on many rows.
        """
        columns, width = list(zip(self.names, self.columns, strict=True)), len(self.names)
        values: list[float] = []
        try:
            for row in rows:
                if len(row) != width:
                    raise self._problem(rows, words)
                values += [column.one(row[name]) for name, column in columns]
        except (KeyError, Unfit):
            raise self._problem(rows, words) from None
        return array("d", values)

    def _problem(self, rows: Sequence[dict[str, Any]], words: Words) -> Problem:
        """Everything that is wrong, bounded; only computed once something is."""
        found: list[Detail] = []
        total = 0
        for position, row in enumerate(rows):
            details = self._details(position, row, words)
            total += len(details)
            found += details[: MAX_DETAILS - len(found)]
        return invalid(found, total - len(found))

    def _details(self, position: int, row: dict[str, Any], words: Words) -> list[Detail]:
        details: list[Detail] = []
        for name, column in zip(self.names, self.columns, strict=True):
            value = row.get(name, MISSING)
            try:
                column.one(value)
            except Unfit:
                allowed = shortened(words.allowed(column.feature), _LONGEST_ALLOWED)
                details.append(Detail(words.place(position, name), value, allowed))
        unknown = [name for name in row if name not in self._known]
        return details + [
            Detail(words.place(position, shortened(name)), row[name], "no such feature") for name in unknown
        ]
