"""Joins captured predictions with their labels: SageMaker's data capture and ground-truth lines, merged by event.

Captured: `<bucket>/<endpoint>/<variant>/yyyy/mm/dd/hh/*.jsonl`. Labels: `<bucket>/ground-truth/<endpoint>/yyyy/mm/dd/hh/
*.jsonl` by the hour in which they became known. An event is named by its `inferenceId`, or else by its `eventId`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shipway.core.observations.losses import Losses

MAX_BYTES = 256 << 20
"""The most that is read of each variant's capture in one look; the newest is read first."""
MAX_LABELS = 1_000_000
_MAX_HOURS = 31 * 24
_UNUSABLE = (AttributeError, KeyError, TypeError, ValueError, OverflowError, RecursionError)
_ID = re.compile(rb'"(?:eventId|inferenceId)":\s?"([^"\\]{1,200})"')


def labelled_losses(
    bucket: Path, endpoint: str, variants: Collection[str], since: float, until: float, sources: Collection[str] = ()
) -> dict[str, Losses]:
    """The losses of each variant's predictions from `since` to `until` (Unix time) whose labels are known by then.

    A line that is malformed, has another number of labels than predictions, or was captured neither as JSON nor as CSV,
    is left out. Only labels of `sources` count; without any, all are trusted. Without labels the answer is empty, and no captured line is read.
    """
    labels = _labels(bucket / "ground-truth" / endpoint, since, until, sources)
    if not labels:
        return {}
    return {variant: _losses(bucket / endpoint / variant, labels, since, until) for variant in variants}


def _labels(folder: Path, since: float, until: float, sources: Collection[str]) -> Mapping[bytes, list[float]]:
    found: dict[bytes, list[float]] = {}
    for line in _lines(folder, since, until):
        document = _object(line)
        try:
            truth, told = document["groundTruthData"], document["eventMetadata"]
            if sources and told.get("source") not in sources:
                continue
            id = str(told["eventId"])
            values = _numbers(str(truth["data"]), str(truth["encoding"]))
        except _UNUSABLE:
            continue
        # The newest files come first, so a corrected label counts.
        found.setdefault(id.encode(), values)
        if len(found) >= MAX_LABELS:
            break
    return found


def _losses(folder: Path, labels: Mapping[bytes, list[float]], since: float, until: float) -> Losses:
    count, total, squares = 0, 0.0, 0.0
    for line in _lines(folder, since, until):
        # Only few lines have labels: the others are not parsed.
        if not any(id in labels for id in _ID.findall(line)):
            continue
        for loss in _of_event(_object(line), labels, since, until):
            count, total, squares = count + 1, total + loss, squares + loss * loss
    return Losses(count, total, squares)


def _of_event(document: Any, labels: Mapping[bytes, list[float]], since: float, until: float) -> list[float]:
    try:
        event, output = document["eventMetadata"], document["captureData"]["endpointOutput"]
        truth = labels.get(str(event.get("inferenceId") or event["eventId"]).encode(), [])
        at = datetime.fromisoformat(event["inferenceTime"]).timestamp()
        predictions = _numbers(str(output["data"]), str(output["encoding"]))
    except _UNUSABLE:
        return []
    if len(predictions) != len(truth) or not int(since) <= at <= until:
        return []
    return [(prediction - label) ** 2 for prediction, label in zip(predictions, truth, strict=True)]


def _numbers(data: str, encoding: str) -> list[float]:
    """The numbers of CSV (commas or lines), of a JSON number or list, or of our own answers as JSON or JSON Lines."""
    if encoding == "JSON":
        numbers = [number for value in _values(data) for number in _of_answer(value)]
    elif encoding == "CSV":
        numbers = [float(number) for number in re.split(r"[,\n]", data.strip())]
    else:
        raise ValueError(f"no numbers in {encoding}")
    if not all(math.isfinite(number) for number in numbers):
        raise ValueError("not a finite number")
    return numbers


def _values(data: str) -> list[Any]:
    try:
        return [json.loads(data)]
    except ValueError:
        return [json.loads(line) for line in data.splitlines()]


def _of_answer(value: Any) -> list[float]:
    """Of `{"predictions": [...]}`, or of a line, `{"prediction": ...}`."""
    if isinstance(value, dict):
        value = value["predictions"] if "predictions" in value else value["prediction"]
    return [float(number) for number in (value if isinstance(value, list) else [value])]


def _object(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _lines(folder: Path, since: float, until: float) -> Iterator[bytes]:
    """The lines of the hours' files, the newest file first, `MAX_BYTES` at most."""
    left = MAX_BYTES
    for path in _files(folder, since, until):
        try:
            with path.open("rb") as file:
                # Bounded, as a foreign file may have no line ends.
                while line := file.readline(left + 1):
                    left -= len(line)
                    if left < 0:
                        return
                    yield line
        except OSError:
            # It was removed meanwhile: by retention, or by somebody who makes room on a full disk.
            continue


def _files(folder: Path, since: float, until: float) -> Iterator[Path]:
    newest = int(until // 3600)
    for hour in range(newest, max(int(since // 3600), newest - _MAX_HOURS) - 1, -1):
        inside = folder / f"{datetime.fromtimestamp(hour * 3600, UTC):%Y/%m/%d/%H}"
        # A folder that is not readable, or has an impossible name, counts as empty.
        with suppress(OSError):
            yield from sorted(inside.glob("[!.]*.jsonl"), reverse=True)
