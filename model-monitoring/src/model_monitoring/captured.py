"""Captured requests and answers as columns of values, a batch at a time.

A line is one of SageMaker's data capture: a request with one or more rows, and its answer. Files lie in folders of
hours, `yyyy/mm/dd/hh`, by the time of the answer.
"""

from __future__ import annotations

import base64
import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

BATCH = 8192
"""Rows of a batch, at least, where there are so many."""
MAX_LINE = 64 << 20
_HOUR = re.compile(r"(\d{4})/(\d\d)/(\d\d)/(\d\d)/[^/]+$")

Columns = dict[str, list[Any]]
"""A column's name to its values, one for each row: numbers, texts, None where there is none."""


class Side(msgspec.Struct, rename="camel"):
    """A request's or an answer's body."""

    data: str
    encoding: str


class Sides(msgspec.Struct, rename="camel"):
    """Both bodies."""

    endpoint_input: Side
    endpoint_output: Side


NOT_WATCHED = "monitor=ignore"
"""What a caller says (`X-Amzn-SageMaker-Custom-Attributes`) whose rows are no traffic: trials, what-if questions."""


class Event(msgspec.Struct, rename="camel"):
    """Which exchange it was, and when."""

    event_id: str
    inference_time: datetime
    inference_id: str = ""
    custom_attributes: str = ""


class Line(msgspec.Struct, rename="camel"):
    """A captured exchange."""

    capture_data: Sides
    event_metadata: Event


Row = dict[str, Any]
"""A row's values by name."""


@dataclass
class Rows:
    """A batch. `events` has of each row the event (`inferenceId`, else `eventId`) and its place in the request."""

    rows: list[Row] = field(default_factory=list)
    events: list[tuple[str, int]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def columns(self) -> Columns:
        """The rows by columns. Columns that a row does not have are None there."""
        names: dict[str, None] = {}
        for row in self.rows:
            names.update(dict.fromkeys(row))
        return {name: [row.get(name) for row in self.rows] for name in names}


_line = msgspec.json.Decoder(Line).decode
_any = msgspec.json.Decoder().decode


class Capture:
    """Reads a folder of captured lines. What can't be read is left out, and counted by its kind in `unreadable`."""

    def __init__(self, folder: Path, since: datetime, until: datetime, order: Sequence[str], output: str) -> None:
        """From `since` to before `until`. `order` names the features of rows without names; `output` the prediction."""
        self._folder, self._since, self._until = folder, since, until
        self._order, self._output = tuple(order), output
        self.lines = 0
        self.unreadable: Counter[str] = Counter()

    def batches(self) -> Iterator[Rows]:
        """Every row in the window, some thousand at a time."""
        rows = Rows()
        for path in sorted(self._folder.rglob("*.jsonl")):
            if not path.name.startswith(".") and self._may_hold(path):
                for line in lines_of(path):
                    self._add(line, rows)
                    if len(rows) >= BATCH:
                        yield rows
                        rows = Rows()
        if len(rows):
            yield rows

    def _may_hold(self, path: Path) -> bool:
        """Whether the file's hour touches the window. An exchange is written an hour after its time at most."""
        found = _HOUR.search(path.as_posix())
        if found is None:
            return True
        year, month, day, hour = map(int, found.groups())
        try:
            began = datetime(year, month, day, hour, tzinfo=UTC).timestamp()
        except ValueError:
            return False
        return self._since.timestamp() < began + 2 * 3600 and began < self._until.timestamp() + 3600

    def _add(self, text: bytes | None, rows: Rows) -> None:
        self.lines += 1
        if text is None:
            self.unreadable["too long"] += 1
            return
        try:
            line = _line(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.unreadable["not a captured line"] += 1
            return
        event = line.event_metadata
        at = event.inference_time
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
        if not self._since <= at < self._until or event.custom_attributes == NOT_WATCHED:
            self.lines -= 1
            return
        try:
            asked = _rows(line.capture_data.endpoint_input, self._order)
        except _UNREADABLE:
            self.unreadable["request"] += 1
            return
        try:
            answered = _predictions(line.capture_data.endpoint_output)
        except _UNREADABLE:
            self.unreadable["answer"] += 1
            return
        if len(asked) != len(answered) or not asked:
            self.unreadable["as many answers as rows"] += 1
            return
        for row, prediction in zip(asked, answered, strict=True):
            row[self._output] = prediction
        rows.rows += asked
        event_id = event.inference_id or event.event_id
        rows.events += [(event_id, place) for place in range(len(asked))]


_UNREADABLE = (
    msgspec.DecodeError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    IndexError,
    RecursionError,
    csv.Error,
)


def lines_of(path: Path) -> Iterator[bytes | None]:
    """The file's lines without empty ones; None for one that is too long, and for a file that is gone meanwhile."""
    try:
        with path.open("rb") as file:
            while line := file.readline(MAX_LINE):
                if len(line) == MAX_LINE and not line.endswith(b"\n"):
                    yield None
                    while (line := file.readline(MAX_LINE)) and not line.endswith(b"\n"):
                        pass
                elif line.strip():
                    yield line
    except OSError:
        yield None


def _rows(side: Side, order: tuple[str, ...]) -> list[Row]:
    return _BODIES[side.encoding](side.data, order)


def _json(data: str, order: tuple[str, ...]) -> list[Row]:
    """A JSON request in each of the shapes that the model service takes, or JSON lines of rows."""
    try:
        body = _any(data)
    except msgspec.DecodeError:
        return _of([_any(line) for line in data.splitlines() if line.strip()], order)
    if isinstance(body, list):
        return _of([body], order)
    body = body.get("dataframe_split", body)
    if "data" in body:
        return _of(body["data"], tuple(body["columns"]))
    return _of(next((body[key] for key in ("instances", "dataframe_records") if key in body), [body]), order)


def _of(rows: list[Any], order: tuple[str, ...]) -> list[Row]:
    """Rows that are objects as they are, rows that are arrays by `order`."""
    if set(map(type, rows)) == {dict}:
        return rows
    return [dict(zip(order, row, strict=True)) for row in rows]


def _csv(data: str, order: tuple[str, ...]) -> list[Row]:
    """With a header, where its words are the features' names; else in their order."""
    lines = [line for line in csv.reader(io.StringIO(data), strict=True) if line]
    if lines and set(lines[0]) == set(order):
        order = tuple(lines.pop(0))
    return _of([[value_of(text) for text in line] for line in lines], order)


def value_of(text: str) -> float | int | str | None:
    """A CSV field: a number where it reads as one, None where it is empty or says NaN."""
    if not text or text.lower() == "nan":
        return None
    if "_" in text:  # Python would read 1_000 as a number
        return text
    try:
        return int(text) if text.lstrip("-").isdecimal() and len(text) < 19 else float(text)
    except ValueError:
        return text


def _array(data: str, order: tuple[str, ...]) -> list[Row]:
    array = np.atleast_2d(np.load(io.BytesIO(base64.b64decode(data, validate=True)), allow_pickle=False))
    return _of([[_number(value) for value in row] for row in array.tolist()], order)


def _number(value: float) -> float | None:
    return None if value != value else value


_BODIES: Mapping[str, Callable[[str, tuple[str, ...]], list[Row]]] = {"JSON": _json, "CSV": _csv, "BASE64": _array}


def _predictions(side: Side) -> list[float]:
    if side.encoding == "BASE64":
        array = np.load(io.BytesIO(base64.b64decode(side.data, validate=True)), allow_pickle=False)
        return [float(number) for number in array.ravel()]
    if side.encoding == "CSV":
        return [float(number) for number in re.split(r"[,\n]", side.data.strip())]
    try:
        found = [_any(side.data)]
    except msgspec.DecodeError:
        found = [_any(line) for line in side.data.splitlines() if line.strip()]
    return [float(number) for value in found for number in _of_answer(value)]


def _of_answer(value: Any) -> list[float]:
    """Of `{"predictions": [...]}`, or of a line, `{"prediction": ...}`; or the bare number or list."""
    if isinstance(value, dict):
        value = value["predictions"] if "predictions" in value else value["prediction"]
    return value if isinstance(value, list) else [value]
