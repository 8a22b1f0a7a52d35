"""Captured requests and answers as columns of values, a batch at a time.

Files lie in folders of hours, `yyyy/mm/dd/hh`, by the time of the answer.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from model_monitoring.bodies import UNREADABLE, Prediction, Row, predictions_of, rows_of
from model_monitoring.lines import Line, Side, UsualRequests, chunks_of, decoded, numbers, seconds

BATCH = 8192
"""Rows of a batch, at least, where there are so many."""
HOUR = 3600.0
NOT_WATCHED = "monitor=ignore"
"""What a caller says (`X-Amzn-SageMaker-Custom-Attributes`) whose rows are no traffic: trials, what-if questions."""
_HOUR = re.compile(r"(\d{4})/(\d\d)/(\d\d)/(\d\d)/[^/]+$")

Columns = dict[str, list[Any]]
"""A column's name to its values, one for each row: numbers, texts, None where there is none."""


@dataclass
class Rows:
    """A batch, whose rows are either objects (`rows`) or values in the order of `names` (`values`).

    Of each row: its event (`inferenceId`, else `eventId`), its place in the request, what was answered, and when.
    """

    names: tuple[str, ...] = ()
    rows: list[Row] = field(default_factory=list)
    values: list[tuple[Any, ...]] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    predictions: list[Prediction] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.events)

    @property
    def columns(self) -> Columns:
        """What was asked, by columns. Columns that a row does not have are None there."""
        if self.values:
            return {name: [*column] for name, column in zip(self.names, zip(*self.values, strict=True), strict=True)}
        found = dict.fromkeys(name for row in self.rows for name in row)
        return {name: [row.get(name) for row in self.rows] for name in found}


class Capture:
    """Reads captured files. What can't be read is left out, and counted by its kind in `unreadable`."""

    def __init__(self, since: float, until: float, order: Sequence[str]) -> None:
        """From `since` to before `until`, in Unix time. `order` names the features of rows without names."""
        self._since, self._until = since, until
        self._order = tuple(order)
        self._usual = UsualRequests(order)
        self.lines = 0
        self.unreadable: Counter[str] = Counter()
        self.oldest, self.newest = math.inf, -math.inf

    def batches(self, paths: Iterable[Path]) -> Iterator[Rows]:
        """Every row in the window, some thousand at a time."""
        usual, others = Rows(self._order), Rows()
        for path in paths:
            for line in decoded(chunks_of(path)):
                self._add(line, usual, others)
                if len(usual) >= BATCH:
                    yield usual
                    usual = Rows(self._order)
                if len(others) >= BATCH:
                    yield others
                    others = Rows()
        yield from (rows for rows in (usual, others) if len(rows))

    def _add(self, line: Line | None, usual: Rows, others: Rows) -> None:
        self.lines += 1
        if line is None:
            self.unreadable["not a captured line"] += 1
            return
        event = line.event_metadata
        try:
            at = seconds(event.inference_time)
        except ValueError:
            self.unreadable["not a captured line"] += 1
            return
        self.oldest, self.newest = min(self.oldest, at), max(self.newest, at)
        if not self._since <= at < self._until or event.custom_attributes == NOT_WATCHED:
            self.lines -= 1
            return
        asked, answered = line.capture_data.endpoint_input, line.capture_data.endpoint_output
        values = self._usual.rows(asked.data) if asked.encoding == "JSON" else None
        rows = self._others(asked) if values is None else None
        predictions = self._predictions(answered)
        count = len(values or rows or ())
        if predictions is None or (values is None and rows is None):
            self.unreadable["answer" if predictions is None else "request"] += 1
            return
        if count != len(predictions) or not count:
            self.unreadable["as many answers as rows"] += 1
            return
        into = others if values is None else usual
        into.values += values or ()
        into.rows += rows or ()
        into.predictions += predictions
        into.events += [event.inference_id or event.event_id] * count
        into.places += range(count)
        into.times += [at] * count

    def _others(self, side: Side) -> list[Row] | None:
        try:
            return rows_of(side.data, side.encoding, self._order)
        except UNREADABLE:
            return None

    @staticmethod
    def _predictions(side: Side) -> Sequence[Prediction] | None:
        found = numbers(side.data) if side.encoding == "JSON" else None
        if found is not None:
            return found
        try:
            return predictions_of(side.data, side.encoding)
        except UNREADABLE:
            return None


def files_of(folder: Path, since: float, until: float) -> Iterator[tuple[float | None, list[Path]]]:
    """The files whose hours touch the window, by hour: when it began (Unix time), None for files of no hour.

    An exchange is written an hour after its time at most. Files that are being written have a dot in front.
    """
    hours: dict[float | None, list[Path]] = {}
    for path in sorted(folder.rglob("*.jsonl")):
        if not path.name.startswith("."):
            began = hour_of(path)
            if began is None or (since < began + 2 * HOUR and began < until + HOUR):
                hours.setdefault(began, []).append(path)
    yield from hours.items()


def hour_of(path: Path) -> float | None:
    """When the hour began that the file's folder names, in Unix time; None if it names none."""
    found = _HOUR.search(path.as_posix())
    if found is None:
        return None
    try:
        year, month, day, hour = map(int, found.groups())
        return datetime(year, month, day, hour, tzinfo=UTC).timestamp()
    except ValueError:
        return None
