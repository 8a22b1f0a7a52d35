"""The formats of request and answer bodies, and which of them a request means."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from ml_model_service.errors import Problem
from ml_model_service.formats.csv_rows import read_csv, write_csv
from ml_model_service.formats.encoder import Encoder
from ml_model_service.formats.json_lines import read_json_lines, write_json_lines
from ml_model_service.formats.json_rows import read_json

Kind = Literal["json", "csv", "npy", "jsonl"]
MEDIA_TYPES: dict[Kind, str] = {
    "json": "application/json", "csv": "text/csv", "npy": "application/x-npy", "jsonl": "application/jsonlines"
}  # fmt: skip
# other names that clients have for it
_ALIASES: dict[bytes, Kind] = {
    b"application/x-jsonlines": "jsonl", b"application/jsonl": "jsonl", b"application/x-ndjson": "jsonl"
}  # fmt: skip
_ALLOWED = ", ".join(MEDIA_TYPES.values())
# nearly all requests say one of these, to the letter
_KINDS: dict[bytes, Kind] = {
    b"": "json", **{media.encode(): kind for kind, media in MEDIA_TYPES.items()}, **_ALIASES
}  # fmt: skip
_CONTENT_TYPES: dict[Kind, bytes] = {
    "json": b"application/json", "csv": b"text/csv; charset=utf-8", "npy": b"application/x-npy",
    "jsonl": b"application/jsonlines",
}  # fmt: skip
_UTF_8 = ("utf-8", "utf8", "us-ascii", "ascii")
_QUALITY = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")
_MAX_RANGES = 32
_encode = msgspec.json.Encoder().encode


def _read_npy(body: bytes | bytearray, encoder: Encoder, max_rows: int) -> tuple[Sequence[float], int]:
    # a task whose model and clients have no need of NumPy does not wait for its import
    from ml_model_service.formats.npy_rows import read_npy

    return read_npy(body, encoder, max_rows)


def _write_npy(predictions: Sequence[float]) -> bytes:
    from ml_model_service.formats.npy_rows import write_npy

    return write_npy(predictions)


_READERS = {"json": read_json, "csv": read_csv, "npy": _read_npy, "jsonl": read_json_lines}
_WRITERS: dict[str, Callable[[Sequence[float]], bytes]] = {
    "csv": write_csv,
    "npy": _write_npy,
    "jsonl": write_json_lines,
}


def check_encoding(content_encoding: bytes) -> None:
    """Raise Problem 415 for a body that is compressed."""
    if content_encoding.lower() not in (b"", b"identity"):
        found = content_encoding[:80].decode("latin-1")
        raise Problem(415, "unsupported_media_type", f"Content-Encoding: found {found!r}, allowed: identity")


def request_kind(content_type: bytes) -> Kind:
    """The format that a Content-Type names; none is JSON. Raises Problem 415 for others."""
    kind = _KINDS.get(content_type)
    if kind is not None:
        return kind
    media, parameters = _parsed(content_type.decode("latin-1"))
    kind = _KINDS.get(media.encode("latin-1"))
    if kind is None:
        raise Problem(415, "unsupported_media_type", f"Content-Type: found {media[:80]!r}, allowed: {_ALLOWED}")
    charset = parameters.get("charset", "utf-8").strip('"')
    if kind != "npy" and charset not in _UTF_8:
        raise Problem(415, "unsupported_media_type", f"Content-Type: found charset {charset[:80]!r}, allowed: utf-8")
    return kind


def answer_kind(accept: bytes, asked: Kind) -> Kind:
    """The format that an Accept header likes best; of equals, that of the request. Raises Problem 406 for none."""
    if accept in (b"", b"*/*"):
        return asked
    kind = _KINDS.get(accept)
    if kind is not None:
        return kind
    ranges = [_parsed(part) for part in accept.decode("latin-1").split(",", _MAX_RANGES)[:_MAX_RANGES]]
    liked: dict[Kind, float] = {kind: _quality(media, ranges) for kind, media in MEDIA_TYPES.items()}
    best = max(liked.values())
    if best <= 0:
        raise Problem(406, "not_acceptable", f"Accept: found {accept[:80].decode('latin-1')!r}, allowed: {_ALLOWED}")
    return asked if liked[asked] == best else next(kind for kind in liked if liked[kind] == best)


def read_rows(kind: Kind, body: bytes | bytearray, encoder: Encoder, max_rows: int) -> tuple[Sequence[float], int]:
    """The (rows * features,) numbers of a request, NaN for what is missing, and the number of its rows (> 0).

    Raises Problem: 400 for what is not of that format, 422 for what does not fit the model, naming row and field.
    """
    return _READERS[kind](body, encoder, max_rows)


def write_predictions(kind: Kind, model_version: str, predictions: Sequence[float]) -> tuple[bytes, bytes]:
    """Content type and body of an answer. Only JSON has a place for the version."""
    if kind == "json":
        body = _encode({"model_version": model_version, "predictions": predictions})
    else:
        body = _WRITERS[kind](predictions)
    return _CONTENT_TYPES[kind], body


def _parsed(value: str) -> tuple[str, dict[str, str]]:
    """Media type or range and its parameters, in lower case."""
    media, *parts = value.lower().split(";")
    pairs = [part.partition("=") for part in parts]
    return media.strip(), {name.strip(): value.strip() for name, _, value in pairs}


def _quality(media: str, ranges: list[tuple[str, dict[str, str]]]) -> float:
    """How much the most specific range that matches likes the media type; 0 when none does."""
    for wanted in (media, media.partition("/")[0] + "/*", "*/*"):
        for found, parameters in ranges:
            if found == wanted:
                quality = parameters.get("q", "1")
                return float(quality) if _QUALITY.fullmatch(quality) else 0.0
    return 0.0
