"""What went over the wire: captured lines, labels, and what the backend kept of each prediction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.replay.recomputed.flights import Key, Value, key


@dataclass(frozen=True, slots=True)
class Captured:
    """A request of one row and its answer: Unix time (whole seconds), the prediction's id, what was asked and said."""

    at: float
    id: str
    features: Mapping[str, Value]
    prediction: float


@dataclass(frozen=True, slots=True)
class Asked:
    """A prediction as the backend kept it: which flight, and which version answered; a probe has no device."""

    flight: Key
    version: str
    is_probe: bool


@dataclass(frozen=True, slots=True)
class Label:
    """What came true of a prediction, 0 or 1; the local day of it; and when the bucket had it, Unix time."""

    value: int
    day: str
    written: float


def variant_of(version: str) -> str:
    """SageMaker allows no dots in a variant's name."""
    return version.replace(".", "-")


def captured(endpoint: Path) -> dict[str, list[Captured]]:
    """The captured rows of each variant. Raises ValueError for a line that is none, or is of several rows."""
    return {
        folder.name: [_captured(line) for path in _files(folder) for line in _lines(path)]
        for folder in endpoint.iterdir()
        if folder.is_dir() and not folder.name.startswith(".")
    }


def labels(endpoint: Path) -> dict[str, Label]:
    """By the prediction's id; the newest word counts. A file's name begins with the moment at which it was written."""
    found = {}
    for path in _files(endpoint):
        written = datetime.strptime(path.name.partition("-")[0], "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC).timestamp()
        for line in _lines(path):
            told = line["eventMetadata"]
            found[told["eventId"]] = Label(int(line["groundTruthData"]["data"]), told["occurredAt"][:10], written)
    return found


def asked(database: Path) -> dict[str, Asked]:
    """By the prediction's id."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        rows = connection.execute(
            "SELECT id, origin, destination, carrier, departure, model_version, device IS NULL FROM predictions"
        ).fetchall()
    return {
        id: Asked(key(origin, destination, carrier, datetime.fromisoformat(departure)), version, bool(probe))
        for id, origin, destination, carrier, departure, version, probe in rows
    }


def _captured(line: Mapping[str, Any]) -> Captured:
    event, data = line["eventMetadata"], line["captureData"]
    (features,) = json.loads(data["endpointInput"]["data"])["instances"]
    (prediction,) = json.loads(data["endpointOutput"]["data"])["predictions"]
    at = datetime.fromisoformat(event["inferenceTime"].replace("Z", "+00:00")).timestamp()
    return Captured(at, event.get("inferenceId") or event["eventId"], features, float(prediction))


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*/*/*/[!.]*.jsonl"))


def _lines(path: Path) -> Iterator[Any]:
    with path.open("rb") as file:
        yield from map(json.loads, file)
