"""Takes the values of named features out of a request body before it is kept."""

from __future__ import annotations

import csv
import io
from typing import Any

import msgspec

from ml_model_service.formats.csv_rows import header_of, text_of
from ml_model_service.formats.json_lines import array_in
from ml_model_service.formats.json_rows import without_mark
from ml_model_service.formats.media_types import Kind

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_encode_lines = msgspec.json.Encoder().encode_lines
_ANY_ROWS = 1 << 31


class Mask:
    """What `names` stand for becomes null in JSON, an empty field in CSV and NaN in arrays."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def unknown(self, features: tuple[str, ...]) -> frozenset[str]:
        """The names that are no feature's."""
        return self._names.difference(features)

    def masked(self, kind: Kind, body: bytes | bytearray, features: tuple[str, ...]) -> bytes:
        """The body of a request that was answered, without the masked values; `features` is the schema's order.

        Raises an exception of any kind for what was no good request: it cannot be told what to mask there.
        """
        if kind == "json":
            return self._json(body, features)
        if kind == "jsonl":
            return self._json_lines(body, features)
        if kind == "csv":
            return self._csv(body, features)
        return self._npy(body, features)

    def _json(self, body: bytes | bytearray, features: tuple[str, ...]) -> bytes:
        request: Any = _decode(without_mark(body))
        envelope = request.get("dataframe_split", request)
        if "data" in envelope:
            rows, order = envelope["data"], envelope["columns"]
        else:
            rows, order = envelope["instances" if "instances" in envelope else "dataframe_records"], features
        positions = self._positions(order)
        for row in rows:
            if isinstance(row, list):
                for position in positions:
                    row[position] = None
            else:
                row.update(dict.fromkeys(self._names.intersection(row)))
        return _encode(request)

    def _json_lines(self, body: bytes | bytearray, features: tuple[str, ...]) -> bytes:
        rows = [_decode(line) for line in without_mark(body).rstrip().split(b"\n")]
        for row in rows:
            values = array_in(row, features)
            if values is None:
                row.update(dict.fromkeys(self._names.intersection(row)))
                continue
            for position in self._positions(features):
                values[position] = None
        return _encode_lines(rows)

    def _csv(self, body: bytes | bytearray, features: tuple[str, ...]) -> bytes:
        rows = list(csv.reader(io.StringIO(text_of(body), newline=""), strict=True))
        header = header_of(rows[0], features)
        positions = self._positions(header or features)
        for row in rows[1 if header else 0 :]:
            # an empty line is a row of one empty field
            for position in positions if row else ():
                row[position] = ""
        file = io.StringIO(newline="")
        csv.writer(file, lineterminator="\n").writerows(rows)
        return file.getvalue().encode()

    def _npy(self, body: bytes | bytearray, features: tuple[str, ...]) -> bytes:
        # NumPy is there, as it has read this very body
        from ml_model_service.formats.npy_rows import matrix_in, write_npy

        matrix = matrix_in(body, len(features), _ANY_ROWS).astype("<f8", order="C")
        matrix[:, self._positions(features)] = float("nan")
        return write_npy(matrix)

    def _positions(self, order: tuple[str, ...]) -> list[int]:
        return [position for position, name in enumerate(order) if name in self._names]
