"""What a job is about, read: the window's columns and, where there are labels, its predictions with what came true."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from model_monitoring import tables
from model_monitoring.answers import Coded
from model_monitoring.captured import HOUR, Capture, files_of
from model_monitoring.hours import Hour, Hours, identify
from model_monitoring.job import Job
from model_monitoring.labels import Joined, Labels
from model_monitoring.problems import Problem
from model_monitoring.summary import Summary
from model_monitoring.windows import DAY, Days, day_of

PREDICTION, LABEL = "prediction", "label"
"""What held-out rows of a version call what the model answered and what came true, whatever the schema's name is."""


@dataclass
class Read:
    """What was read. `joined` is None without labels.

    `oldest` and `newest` are its times, and `days` has a baseline's rows by day, where times are known.
    """

    summary: Summary
    days: Days = field(default_factory=Days)
    joined: Joined | None = None
    lines: int = 0
    unreadable: Counter[str] = field(default_factory=Counter)
    oldest: float = math.inf
    newest: float = -math.inf
    reused_hours: int = 0
    decoded_hours: int = 0


def read(work: Job) -> Read:
    """Everything in the window. Raises Problem and OSError for tables; broken captured lines are counted."""
    if work.form == "sagemakerCaptureJson":
        return _captured(work)
    if not work.source.exists():
        raise Problem(f"dataset_source: there is no {work.source}")
    return _table(work)


def _captured(work: Job) -> Read:
    kept = Hours(work.kept_hours, [*work.features, work.prediction]) if work.kept_hours else None
    found, days, decoded, reused = Hour(), Days(), 0, 0
    for began, hour, is_decoded in _hours(work, kept):
        decoded += is_decoded
        reused += not is_decoded
        found.merge(hour)
        # A file of no hour has no day either; for windows of the baseline it does not count.
        if began is not None and work.statistics is None:
            days.of(day_of(began)).merge(hour.summary)
    if kept is not None:
        kept.forget()
    joined = None
    if work.labels is not None:
        joined = Labels(work.labels, work.since.timestamp(), work.label_sources).join(found.answers)
    return Read(found.summary, days, joined, found.lines, found.unreadable, found.oldest, found.newest, reused, decoded)


def _hours(work: Job, kept: Hours | None) -> Iterator[tuple[float | None, Hour, bool]]:
    since, until = work.since.timestamp(), work.until.timestamp()
    for began, paths in files_of(work.source, since, until):
        if kept is None or began is None or not (since <= began and began + HOUR <= until):
            yield began, _decoded(work, paths, since, until), True
            continue
        hour = kept.find(began, paths)
        is_new = hour is None
        if hour is None:
            files = None
            with suppress(OSError):
                files = identify(paths)
            hour = _decoded(work, paths, -math.inf, math.inf)
            if files is not None:
                kept.keep(began, files, hour)
        if hour.newest >= until or hour.oldest < since:  # some of its exchanges belong to another window
            hour, is_new = _decoded(work, paths, since, until), True
        yield began, hour, is_new


def _decoded(work: Job, paths: list[Path], since: float, until: float) -> Hour:
    capture = Capture(since, until, work.features)
    found = Hour()
    for rows in capture.batches(paths):
        columns = rows.columns
        columns[work.prediction] = list(rows.predictions)
        found.summary.add(columns, len(rows))
        found.answers.add(rows.events, rows.places, rows.predictions, rows.times)
    found.lines, found.unreadable = capture.lines, capture.unreadable
    found.oldest, found.newest = capture.oldest, capture.newest
    return found


def _table(work: Job) -> Read:
    found = Read(Summary())
    labelled = _Labelled()
    for whole in tables.batches(work.source, work.form):
        times = None
        batch = whole
        if work.time_column is not None:
            if work.time_column not in whole.names:
                there = ", ".join(whole.names[:20])
                raise Problem(f"time_column: there is no column {work.time_column!r}; there is: {there}")
            times = tables.moments(whole.values(work.time_column), work.time_column)
            inside = np.flatnonzero((times >= work.since.timestamp()) & (times < work.until.timestamp()))
            if len(inside) < len(whole):
                batch, times = whole.take(inside), times[inside]
            if len(inside):
                found.oldest, found.newest = min(found.oldest, times.min()), max(found.newest, times.max())
        names = _names(batch, work)
        labelled.add(batch, {named: name for name, named in names.items()}.get(work.prediction), times)
        found.lines += len(batch)
        if times is None or work.statistics is not None:
            batch.add_to(found.summary, names)
            continue
        days = np.floor(times / DAY).astype(np.int64)
        for day in np.unique(days).tolist():
            batch.take(np.flatnonzero(days == day)).add_to(found.days.of(day), names)
    if found.days.summaries:
        found.summary = found.days.whole()
    found.joined = labelled.joined(found.lines)
    return found


def _names(batch: tables.Batch, work: Job) -> dict[str, str]:
    """The columns that are looked at, and what they are called."""
    names = {name: name for name in batch.names if name not in (LABEL, work.time_column)}
    if work.prediction not in names and PREDICTION in names:
        names[PREDICTION] = work.prediction
    return names


class _Labelled:
    """Rows of a table that have a prediction and a label."""

    def __init__(self) -> None:
        self._coded = Coded()
        self._parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def add(self, batch: tables.Batch, prediction: str | None, times: np.ndarray | None) -> None:
        if prediction is None or LABEL not in batch.names:
            return
        both = zip(batch.values(prediction), batch.values(LABEL), strict=True)
        there = [(place, a, b) for place, (a, b) in enumerate(both) if _is_value(a) and _is_value(b)]
        places = np.array([place for place, _, _ in there], dtype=np.intp)
        said, true = self._coded.of([a for _, a, _ in there]), self._coded.of([b for _, _, b in there])
        self._parts.append((said, true, np.full(len(there), math.nan) if times is None else times[places]))

    def joined(self, rows: int) -> Joined | None:
        if not self._parts:
            return None
        said, true, times = (np.concatenate([*column]) for column in zip(*self._parts, strict=True))
        return Joined(rows, said, true, times, self._coded)


def _is_value(value: object) -> bool:
    return isinstance(value, int | float | str) and value == value
