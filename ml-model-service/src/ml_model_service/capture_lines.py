"""A request and its answer as one line of SageMaker's data capture format."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from functools import lru_cache
from random import getrandbits

import msgspec

from ml_model_service.formats import MEDIA_TYPES, Kind

_encode = msgspec.json.Encoder().encode
_ENCODINGS: dict[Kind, bytes] = {"json": b"JSON", "csv": b"CSV", "npy": b"BASE64"}
_UUID = re.compile(rb"[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}", re.IGNORECASE)


def line(
    moment: float,
    request: tuple[Kind, bytes, bytes | bytearray],
    answer: tuple[Kind, bytes, bytes],
    request_id: bytes,
    inference_id: bytes,
    custom_attributes: bytes,
) -> bytes:
    """The line, with its end. A body is its format, its content type as it was sent and its bytes."""
    more = b""
    if inference_id:
        more += b',"inferenceId":' + _encode(inference_id.decode("latin-1"))
    if custom_attributes:
        more += b',"customAttributes":' + _encode(custom_attributes.decode("latin-1"))
    return _frame(request[0], request[1], answer[0], answer[1]) % (
        _data(request[0], request[2]), _data(answer[0], answer[2]), _event_id(request_id), _time(int(moment)), more,
    )  # fmt: skip


@lru_cache(maxsize=64)
def _frame(asked: Kind, content_type: bytes, answered: Kind, answer_type: bytes) -> bytes:
    """A line with places for what differs from request to request."""
    return (
        b'{"captureData":{"endpointInput":%b,"data":%%b,"encoding":"%b"},'
        b'"endpointOutput":%b,"data":%%b,"encoding":"%b"}},'
        b'"eventMetadata":{"eventId":"%%b","inferenceTime":"%%b"%%b},"eventVersion":"0"}\n'
    ) % (
        _beginning(content_type or MEDIA_TYPES[asked].encode(), "INPUT"),
        _ENCODINGS[asked],
        _beginning(answer_type, "OUTPUT"),
        _ENCODINGS[answered],
    )


def _beginning(content_type: bytes, mode: str) -> bytes:
    text = _encode({"observedContentType": content_type.decode("latin-1"), "mode": mode})[:-1]
    return text.replace(b"%", b"%%")


def _data(kind: Kind, body: bytes | bytearray) -> bytes:
    if kind == "npy":
        return b'"%b"' % base64.b64encode(body)
    return _encode(str(body, "utf-8"))


def _event_id(request_id: bytes) -> bytes:
    """The request's id if that is a UUID, with or without dashes; else a random one."""
    found = _UUID.fullmatch(request_id)
    if found is not None and found[1]:
        return request_id
    if found is None:
        # version 4, variant 1; it has to be rare, not secret
        request_id = b"%032x" % (getrandbits(128) & ~(0xF << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62)
    return b"%b-%b-%b-%b-%b" % (request_id[:8], request_id[8:12], request_id[12:16], request_id[16:20], request_id[20:])


@lru_cache(maxsize=4)
def _time(second: int) -> bytes:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%SZ}".encode()
