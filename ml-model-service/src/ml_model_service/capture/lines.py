"""Requests and their answers as lines of SageMaker's data capture format."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from random import getrandbits

import msgspec

from ml_model_service.formats.media_types import MEDIA_TYPES, Kind

_encode_lines = msgspec.json.Encoder().encode_lines
_ENCODINGS: dict[Kind, str] = {"json": "JSON", "csv": "CSV", "npy": "BASE64", "jsonl": "JSON"}
_HEXADECIMAL = b"0123456789abcdefABCDEF"

# a body's format, its content type as it was sent, and its bytes
Asked = tuple[Kind, bytes, bytes | bytearray]
Answered = tuple[Kind, bytes, bytes]


class Exchange(msgspec.Struct, gc=False):
    """A request that was answered. `features` are the model's, in schema order."""

    variant: str
    features: tuple[str, ...]
    request: Asked
    answer: Answered
    request_id: bytes
    inference_id: bytes = b""
    custom_attributes: bytes = b""


class _Side(msgspec.Struct, rename="camel", gc=False):
    observed_content_type: str
    mode: str
    data: str | bytes | bytearray
    encoding: str


class _Data(msgspec.Struct, rename="camel", gc=False):
    endpoint_input: _Side
    endpoint_output: _Side


class _Metadata(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    event_id: str
    inference_time: str
    inference_id: str = ""
    custom_attributes: str = ""


class _Line(msgspec.Struct, rename="camel", gc=False):
    capture_data: _Data
    event_metadata: _Metadata
    event_version: str = "0"


def lines(moment: float, exchanges: Sequence[Exchange]) -> bytes:
    """A line for each, with its end. `moment` is when they were answered, in seconds. Raises ValueError."""
    time = _time(int(moment))
    return _encode_lines([_line(exchange, time) for exchange in exchanges])


def _line(exchange: Exchange, time: str) -> _Line:
    metadata = _Metadata(
        _event_id(exchange.request_id), time,
        exchange.inference_id.decode("latin-1"), exchange.custom_attributes.decode("latin-1"),
    )  # fmt: skip
    return _Line(_Data(_side("INPUT", *exchange.request), _side("OUTPUT", *exchange.answer)), metadata)


def _side(mode: str, kind: Kind, content_type: bytes, body: bytes | bytearray) -> _Side:
    # msgspec writes bytes as BASE64
    data = body if kind == "npy" else body.decode()
    return _Side(content_type.decode("latin-1") or MEDIA_TYPES[kind], mode, data, _ENCODINGS[kind])


def _event_id(request_id: bytes) -> str:
    """The request's id if that is a UUID, with or without dashes; else a random one."""
    dashed = _dashed(request_id) if len(request_id) == 32 else request_id
    # a regular expression would take as long as the rest of the line
    if len(dashed) != 36 or dashed[8:24:5] != b"----" or dashed.translate(None, _HEXADECIMAL) != b"----":
        # version 4, variant 1; it has to be rare, not secret
        dashed = _dashed(b"%032x" % (getrandbits(128) & ~(0xF << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62))
    return dashed.decode()


def _dashed(digits: bytes) -> bytes:
    return b"%b-%b-%b-%b-%b" % (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])


@lru_cache(maxsize=4)
def _time(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%SZ}"
