"""Captured lines, decoded: SageMaker's data capture, a request with one or more rows and its answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

MAX_LINE = 64 << 20
_CHUNK = 4 << 20


class Side(msgspec.Struct, rename="camel", gc=False):
    """A request's or an answer's body."""

    data: str
    encoding: str


class Sides(msgspec.Struct, rename="camel", gc=False):
    """Both bodies."""

    endpoint_input: Side
    endpoint_output: Side


class Event(msgspec.Struct, rename="camel", gc=False):
    """Which exchange it was, and when, in ISO 8601."""

    event_id: str
    inference_time: str
    inference_id: str = ""
    custom_attributes: str = ""


class Line(msgspec.Struct, rename="camel", gc=False):
    """A captured exchange."""

    capture_data: Sides
    event_metadata: Event


_decoder = msgspec.json.Decoder(Line)


def decoded(chunks: Iterator[bytes | None]) -> Iterator[Line | None]:
    """Every line of the chunks; None for one that is no captured exchange, or is too long."""
    for chunk in chunks:
        if chunk is None:
            yield None
            continue
        try:
            yield from _decoder.decode_lines(chunk)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            for text in chunk.splitlines():
                if text.strip():
                    yield captured_line(text)


def captured_line(text: bytes) -> Line | None:
    """The line; None for one that is no captured exchange."""
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def chunks_of(path: Path) -> Iterator[bytes | None]:
    """The file by whole lines, some MiB at a time; None for a line that is too long, and for a file that is gone."""
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                if not chunk.endswith(b"\n"):
                    chunk += file.readline(MAX_LINE)
                if len(chunk) >= MAX_LINE and not chunk.endswith(b"\n"):
                    yield None
                    while (rest := file.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                        pass
                else:
                    yield chunk
    except OSError:
        yield None


@lru_cache(maxsize=4096)
def seconds(text: str) -> float:
    """Unix time of an ISO 8601 time, UTC unless it says otherwise. Raises ValueError."""
    at = datetime.fromisoformat(text)
    return (at.replace(tzinfo=UTC) if at.tzinfo is None else at).timestamp()


class UsualRequests:
    """Reads requests in the shape that clients mostly send, `{"instances": [{...}]}` of all of the schema's features.

    It is several times quicker than to read objects of any names; what does not fit is left to `bodies`.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        fields = [(f"f{number}", Any) for number in range(len(names))]
        rename = {f"f{number}": name for number, name in enumerate(names)}
        row = msgspec.defstruct("Row", fields, rename=rename, forbid_unknown_fields=True, gc=False)
        asked = msgspec.defstruct("Asked", [("instances", list[row])], forbid_unknown_fields=True, gc=False)  # type: ignore[valid-type]
        self._asked = msgspec.json.Decoder(asked)

    def rows(self, data: str) -> list[tuple[Any, ...]] | None:
        """The rows' values in the order of `names`; None for another shape."""
        try:
            found: Any = self._asked.decode(data)
        except (msgspec.DecodeError, RecursionError):
            return None
        return [msgspec.structs.astuple(row) for row in found.instances]


class _Answered(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    predictions: list[float]


_answered = msgspec.json.Decoder(_Answered)


def numbers(data: str) -> list[float] | None:
    """The numbers of `{"predictions": [...]}`; None for another shape."""
    try:
        return _answered.decode(data).predictions
    except (msgspec.DecodeError, RecursionError):
        return None
