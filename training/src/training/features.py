"""The model's features: names, kinds and bounds. README.md says how the backend derives each."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Number:
    """A number within bounds; `unit` is documentation."""

    name: str
    minimum: float
    maximum: float
    unit: str
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class Category:
    """One of the values seen in training. A nullable category takes an unseen value for a missing one."""

    name: str
    unit: str
    nullable: bool = True


Feature = Number | Category

FEATURES: tuple[Feature, ...] = (
    Category("carrier", "two-letter airline code"),
    Category("origin", "airport code", nullable=False),
    Category("dest", "airport code"),
    Number("distance", 0, 10_000, "miles"),
    Number("day_of_week", 1, 7, "1 is Monday", nullable=False),
    Number("departure_minute", 0, 1439, "minutes after local midnight, scheduled", nullable=False),
    Number("arrival_minute", 0, 1439, "minutes after midnight at the destination, scheduled"),
    Number("clock_minutes", 0, 1439, "minutes from departure to arrival as the clocks show them"),
    Number("temp", -50, 150, "degrees Fahrenheit, the hour before departure"),
    Number("dewp", -80, 120, "degrees Fahrenheit"),
    Number("humid", 0, 100, "percent"),
    Number("wind_dir", 0, 360, "degrees"),
    Number("wind_speed", 0, 200, "miles an hour"),
    Number("precip", 0, 20, "inches in the hour"),
    Number("pressure", 850, 1100, "millibar at sea level"),
    Number("visib", 0, 100, "miles"),
    Number("airport_delay", -120, 2000, "mean delay in minutes of departures 180 to 60 minutes before"),
    Number("airport_late_share", 0, 1, "share of those departures that left more than 15 minutes late"),
)
NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
CATEGORIES: tuple[str, ...] = tuple(feature.name for feature in FEATURES if isinstance(feature, Category))
LATE_MINUTES = 15


def schema(values: dict[str, list[str]]) -> dict[str, Any]:
    """The `feature_schema` of metadata.json; `values` are the categories in the order of their codes."""
    described: list[dict[str, Any]] = []
    for feature in FEATURES:
        entry: dict[str, Any] = {"name": feature.name, "nullable": feature.nullable, "description": feature.unit}
        if isinstance(feature, Number):
            entry |= {"type": "number", "minimum": feature.minimum, "maximum": feature.maximum}
        else:
            entry |= {"type": "category", "values": values[feature.name]}
        described.append(entry)
    meaning = f"chance that the flight arrives more than {LATE_MINUTES} minutes late"
    return {"features": described, "output": {"name": "probability", "description": meaning}}


def schema_digest(feature_schema: dict[str, Any]) -> str:
    """`sha256:<hex>` of the canonical JSON: sorted keys, no spaces."""
    canonical = json.dumps(feature_schema, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"
