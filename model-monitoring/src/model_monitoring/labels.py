"""Ground truth in SageMaker's format, joined with what was answered.

A line is `{"groundTruthData": {"data", "encoding"}, "eventMetadata": {"eventId"}}`; ours may name its `source`, and
when it happened. Files lie in folders of the hours in which labels became known, and are named by their time: the
newest label comes last.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from model_monitoring.answers import Answers, Coded, Keys, Vector, keys_of
from model_monitoring.bodies import value_of
from model_monitoring.captured import HOUR, files_of
from model_monitoring.lines import chunks_of
from model_monitoring.windows import DAY

MAX_LABELS = 50_000_000
"""Labels that are read at most, at 24 bytes each."""
_BATCH = 65_536


class _Truth(msgspec.Struct, gc=False):
    data: str
    encoding: str


class Told(msgspec.Struct, rename="camel", gc=False):
    """Of which event a label is, who says so, and when it happened, in ISO 8601; empty where nobody says."""

    event_id: str
    source: str = ""
    occurred_at: str = ""


class _Line(msgspec.Struct, rename="camel", gc=False):
    ground_truth_data: _Truth
    event_metadata: Told


_decoder = msgspec.json.Decoder(_Line)
_any = msgspec.json.Decoder().decode


@dataclass(frozen=True)
class Joined:
    """Rows that have a label: what was predicted and what came true, as `coded` names them, and when it was asked.

    `rows` were asked in all. `corrected` labels replaced an earlier one of their row, `repeated` said the same again,
    `unknown` belong to no row of the window, `early` became known before the row was asked and do not count.
    """

    rows: int
    predictions: Vector
    labels: Vector
    times: Vector
    coded: Coded
    corrected: int = 0
    repeated: int = 0
    unknown: int = 0
    early: int = 0
    unreadable: Counter[str] = field(default_factory=Counter)


class Labels:
    """The labels that became known in and after a window."""

    def __init__(self, folder: Path, since: float, sources: frozenset[str] | None = None) -> None:
        """From a day before `since` (Unix time) on, as earlier ones can't belong to what was asked in the window.

        `sources` are those to be trusted, of lines that name theirs; None trusts all.
        """
        self.coded = Coded()
        self.unreadable: Counter[str] = Counter()
        self._sources = sources
        self._parts: list[tuple[Keys, Vector, Vector]] = []
        self._pending: tuple[list[str], list[int], list[float | str], list[float]] = ([], [], [], [])
        self._count = 0
        for known, paths in files_after(folder, max(since, 0.0) - DAY):
            self._read(paths, known)
        self._flush()

    def join(self, answers: Answers) -> Joined:
        """Labels and what they are of; of several labels of a row the newest counts."""
        asked, predictions, times = answers.whole()
        if not self._parts:
            nothing = np.empty(0)
            return Joined(len(asked), nothing, nothing, nothing, self.coded, unreadable=self.unreadable)
        keys, truths, known = (np.concatenate([*column]) for column in zip(*self._parts, strict=True))
        order = np.argsort(asked, kind="stable")
        place = np.searchsorted(asked[order], keys)
        found = place < len(asked)
        found[found] = asked[order][place[found]] == keys[found]
        row, truths, known = order[place[found]], truths[found], known[found]
        early = known <= times[row]
        row, truths = row[~early], truths[~early]
        # A stable sort by row keeps the labels of one row in the order in which they came.
        by_row = np.argsort(row, kind="stable")
        row, truths = row[by_row], truths[by_row]
        is_again = row[1:] == row[:-1]
        is_same = truths[1:] == truths[:-1]
        newest = np.append(~is_again, True)[: len(row)]
        row, truths = row[newest], truths[newest]
        return Joined(
            rows=len(asked),
            predictions=self.coded.joined(answers.coded, predictions[row]),
            labels=truths,
            times=times[row],
            coded=self.coded,
            corrected=int((is_again & ~is_same).sum()),
            repeated=int((is_again & is_same).sum()),
            unknown=int((~found).sum()),
            early=int(early.sum()),
            unreadable=self.unreadable,
        )

    def _read(self, paths: Iterable[Path], known: float) -> None:
        for path in paths:
            for label in labels_of(path):
                self._add(label, known)
            if self._count >= MAX_LABELS:
                self.unreadable["too many labels"] += 1
                return

    def _add(self, label: tuple[Told, list[float | str]] | None, known: float) -> None:
        if label is None:
            self.unreadable["not a label"] += 1
            return
        told, values = label
        if self._sources is not None and told.source not in self._sources:
            self.unreadable["source not trusted"] += 1
            return
        events, places, truths, moments = self._pending
        events += [told.event_id] * len(values)
        places += range(len(values))
        truths += values
        moments += [known] * len(values)
        self._count += len(values)
        if len(events) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        events, places, truths, moments = self._pending
        if events:
            self._parts.append((keys_of(events, places), self.coded.of(truths), np.asarray(moments)))
        self._pending = ([], [], [], [])


def files_after(folder: Path, since: float) -> Iterator[tuple[float, list[Path]]]:
    """The files of labels that became known after `since`, and by when they were, the end of their hour (Unix time)."""
    for hour, paths in files_of(folder, since, math.inf):
        known = math.inf if hour is None else hour + HOUR
        if known > since:
            yield known, paths


def labels_of(path: Path) -> Iterator[tuple[Told, list[float | str]] | None]:
    """The file's labels, a value for each row of an event; None for a line that is none, or a file that is gone."""
    for chunk in chunks_of(path):
        for text in (chunk or b"?").splitlines():
            if text.strip():
                yield _label(text)


def _label(text: bytes) -> tuple[Told, list[float | str]] | None:
    try:
        line = _decoder.decode(text)
        return line.event_metadata, _values(line.ground_truth_data)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, TypeError, RecursionError):
        return None


def _values(truth: _Truth) -> list[float | str]:
    if truth.encoding == "JSON":
        value: Any = _any(truth.data)
        return [_value(one) for one in (value if isinstance(value, list) else [value])]
    return [_value(value_of(text.strip())) for text in re.split(r"[,\n]", truth.data.strip())]


def _value(value: Any) -> float | str:
    """Raises ValueError for what is no label."""
    if isinstance(value, bool | int | float):
        return float(value)
    if isinstance(value, str) and value:
        return value
    raise ValueError("neither a number nor a class")
