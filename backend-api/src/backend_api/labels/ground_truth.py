"""SageMaker's ground-truth lines, and where they lie.

`eventId` is what the model was sent as the inference id: the prediction's own. Where a captured request has several
rows, `data` has a value for each in their order; a prediction is a request of one row. `source` and `occurredAt`
are additions to SageMaker's format: monitors and gates name the sources that they trust, and they count by the day of
the flight's departure, local time, not by the day on which somebody asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

from backend_api.storage.outcomes import Told


def line(told: Told) -> bytes:
    """One label, with its end."""
    occurred = {"occurredAt": told.occurred_at.isoformat()} if told.occurred_at is not None else {}
    label = {
        "groundTruthData": {"data": "1" if told.late else "0", "encoding": "CSV"},
        "eventMetadata": {"eventId": told.prediction_id, "source": told.source, **occurred},
        "eventVersion": "0",
    }
    return json.dumps(label, separators=(",", ":")).encode() + b"\n"


def by_hour(outcomes: Iterable[Told]) -> dict[datetime, list[Told]]:
    """By the hour in which they became known, UTC."""
    hours: dict[datetime, list[Told]] = {}
    for told in outcomes:
        hours.setdefault(told.told_at.replace(minute=0, second=0, microsecond=0), []).append(told)
    return hours


def key(endpoint: str, hour: datetime, now: datetime, unique: str) -> str:
    """Where a file of this hour's labels lies in the bucket. Later names sort later: readers take the newest label."""
    return f"ground-truth/{endpoint}/{hour:%Y/%m/%d/%H}/{now:%Y%m%dT%H%M%S%f}-{unique}.jsonl"
