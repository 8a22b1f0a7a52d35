"""Two versions that were asked the same, held to what came true: `evaluation.json`, by which a probation is decided.

Each is captured under its own variant, one of them as the shadow of the other. Rows are joined by event and place. How
sure the difference of their Brier scores is comes from drawing **days** with replacement, as in the training's gate:
rows of a day err together. A row's day is the one on which it happened (`occurredAt` of its label), else that of its
capture.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from model_monitoring.bodies import UNREADABLE, predictions_of
from model_monitoring.captured import files_of
from model_monitoring.files import write_json
from model_monitoring.job import Job
from model_monitoring.labels import files_after, labels_of
from model_monitoring.lines import Line, captured_line, chunks_of, seconds
from model_monitoring.quality.binary import auc, calibration_error

DRAWS, CONFIDENCE = 2000, 0.95
MAX_LABELS = 2_000_000
_SEED = 2013
_ID = re.compile(rb'"(?:eventId|inferenceId)":\s?"([^"\\]{1,200})"')
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
Vector = np.ndarray[Any, np.dtype[np.float64]]
Days = np.ndarray[Any, np.dtype[np.intp]]


@dataclass(frozen=True, slots=True)
class Truth:
    """What came true of an event's rows, and the day on which it happened, empty where nobody says."""

    values: list[float]
    day: str


@dataclass(frozen=True, slots=True)
class Answered:
    """A version's predictions for an event's rows, and the day of the answer."""

    predictions: list[float]
    day: str


def make(work: Job, champion: Path) -> str:
    """Compare what the job is about with the champion; what is to be told in one line. Raises OSError."""
    assert work.labels is not None
    found = document(work.source, champion, work.labels, work.since, work.until, work.label_sources)
    write_json(work.output / "evaluation.json", found)
    return f"{found['rows']} labelled rows of both, {found['days']} days"


def document(
    challenger: Path, champion: Path, labels: Path, since: datetime, until: datetime, sources: frozenset[str] | None
) -> dict[str, Any]:
    """evaluation.json of two folders of captured lines, from `since` to before `until`.

    Only labels of `sources` count; None trusts all. What cannot be computed is None, beside an `error`.
    """
    counted: Counter[str] = Counter()
    begin, end = since.timestamp(), until.timestamp()
    truths = _truths(labels, begin, sources, counted)
    asked = _answers(challenger, truths, begin, end, counted)
    listened = _answers(champion, truths, begin, end, counted)
    rows = [*_rows(truths, asked, listened, counted)]
    values = np.array([row[:3] for row in rows], dtype=np.float64).reshape(-1, 3)
    names, days = np.unique(np.array([row[3] for row in rows], dtype="U10"), return_inverse=True)
    truth, mine, other = values.T
    return {
        "window": {"first": str(names[0]), "last": str(names[-1])} if rows else None,
        "rows": len(rows),
        "positives": int(truth.sum()),
        "days": len(names),
        "confidence": CONFIDENCE,
        "draws": DRAWS,
        "candidate": _judged(truth, mine),
        "champion_expected": True,
        "champion": _judged(truth, other),
        "comparison": _compared(truth, mine, other, days),
        "counted": dict(counted),
    }


def _truths(folder: Path, since: float, sources: frozenset[str] | None, counted: Counter[str]) -> dict[bytes, Truth]:
    """By event; of several labels of one the newest counts."""
    found: dict[bytes, Truth] = {}
    # No label is known before its prediction.
    paths = (path for _, paths in files_after(folder, since) for path in paths)
    for label in chain.from_iterable(map(labels_of, paths)):
        if label is None:
            counted["unreadable labels"] += 1
            continue
        told, values = label
        id = told.event_id.encode()
        if sources is not None and told.source not in sources:
            counted["labels of sources that are not trusted"] += 1
        elif not set(values) <= {0.0, 1.0}:
            counted["labels other than 0 and 1"] += 1
        elif len(found) < MAX_LABELS or id in found:
            found[id] = Truth([float(value) for value in values], _day(told.occurred_at))
        else:
            counted["labels beyond what is read"] += 1
    return found


def _day(text: str) -> str:
    """The day that an ISO 8601 time names, by its own clock; empty for what is none."""
    try:
        return date.fromisoformat(text[:10]).isoformat() if _DAY.match(text) else ""
    except ValueError:
        return ""


def _answers(
    folder: Path, truths: dict[bytes, Truth], since: float, until: float, counted: Counter[str]
) -> dict[bytes, Answered]:
    """Those whose labels are known, by event."""
    found: dict[bytes, Answered] = {}
    for text in _lines(folder, since, until) if truths else ():
        # Only few lines have labels: the others are not parsed.
        if not any(id in truths for id in _ID.findall(text)):
            continue
        answered = _answered(captured_line(text))
        if answered is None:
            counted["unreadable captured lines"] += 1
            continue
        id, at, predictions = answered
        if id in truths and since <= at < until:
            found[id] = Answered(predictions, datetime.fromtimestamp(at, UTC).date().isoformat())
    return found


def _answered(line: Line | None) -> tuple[bytes, float, list[float]] | None:
    """Event, time and predictions; None for what can't be read."""
    if line is None:
        return None
    event, output = line.event_metadata, line.capture_data.endpoint_output
    try:
        predictions = [float(number) for number in predictions_of(output.data, output.encoding)]
        return (event.inference_id or event.event_id).encode(), seconds(event.inference_time), predictions
    except UNREADABLE:
        return None


def _lines(folder: Path, since: float, until: float) -> Iterator[bytes]:
    """The lines of the window's files; what is too long or gone is left out."""
    for _, paths in files_of(folder, since, until):
        for chunk in (chunk for path in paths for chunk in chunks_of(path)):
            yield from (chunk or b"").splitlines()


def _rows(
    truths: dict[bytes, Truth], asked: dict[bytes, Answered], listened: dict[bytes, Answered], counted: Counter[str]
) -> Iterator[tuple[float, float, float, str]]:
    """Label, the one's and the other's prediction, day: of events that both answered."""
    counted["events that one of them answered"] = len(asked.keys() ^ listened.keys())
    for id, one in asked.items():
        other, truth = listened.get(id), truths[id]
        if other is None:
            continue
        if not len(truth.values) == len(one.predictions) == len(other.predictions):
            counted["events with another number of labels than rows"] += 1
            continue
        day = truth.day or one.day
        for label, mine, its in zip(truth.values, one.predictions, other.predictions, strict=True):
            if np.isfinite(mine) and np.isfinite(its):
                yield label, mine, its, day


def _judged(truth: Vector, predictions: Vector) -> dict[str, Any]:
    if not truth.size:
        return {"error": "there are no labelled rows"}
    return {
        "brier": float(((predictions - truth) ** 2).mean()),
        "auc": auc(predictions, truth),
        "calibration_error": calibration_error(predictions, truth),
        "positive_rate": float(truth.mean()),
        "mean_prediction": float(predictions.mean()),
        "error": None,
    }


def _compared(truth: Vector, mine: Vector, other: Vector, days: Days) -> dict[str, Any]:
    if not truth.size:
        return {"brier_difference": None, "error": "both have answered no row whose label is known"}
    return {"brier_difference": by_day((mine - truth) ** 2 - (other - truth) ** 2, days), "error": None}


def by_day(values: Vector, days: Days) -> dict[str, float | None]:
    """The mean of `values`, shape (rows,), and the bounds that 95 % of the means of drawn days keep.

    `days` has each row's day as a number from 0. One day alone says nothing of how sure it is.
    """
    sums, rows = np.bincount(days, values), np.bincount(days)
    found: dict[str, float | None] = {"value": float(values.mean()), "low": None, "high": None, "deviation": None}
    if len(rows) < 2:
        return found
    drawn = np.random.default_rng(_SEED).multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=DRAWS)
    means = (drawn @ sums) / (drawn @ rows)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return found | {"low": float(low), "high": float(high), "deviation": float(means.std(ddof=1))}
