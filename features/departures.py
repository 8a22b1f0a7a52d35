"""How late an airport's departures were lately: `airport_delay` and `airport_late_share`.

All moments are wall-clock times at the airport, without an offset, as timetables and the model have them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

KNOWN_BEFORE = timedelta(minutes=60)
LOOKS_BACK = timedelta(minutes=180)
LATE_MINUTES = 15
KEPT = timedelta(minutes=240)
"""How far back of the newest departure a record reaches: what is asked about may leave some time before that."""


@dataclass(frozen=True, slots=True)
class Departure:
    """A flight that left at this moment, so many minutes after its scheduled time; early is negative."""

    left_at: datetime
    delay: float


@dataclass(frozen=True, slots=True)
class AirportDelays:
    """Mean delay in minutes, and share (0 to 1) of departures more than 15 minutes late; None where nothing left."""

    mean: float | None
    late_share: float | None


def airport_delays(departures: Iterable[Departure], scheduled: datetime) -> AirportDelays | None:
    """Of those between 180 minutes (exclusive) and 60 minutes (inclusive) before a scheduled departure.

    None where they do not reach that far: the newest is older than the time that is looked at.
    """
    begin, end = scheduled - LOOKS_BACK, scheduled - KNOWN_BEFORE
    count, minutes, late, reaches = 0, 0.0, 0, False
    for departure in departures:
        if departure.left_at <= begin:
            continue
        reaches = True
        if departure.left_at <= end:
            count += 1
            minutes += departure.delay
            late += departure.delay > LATE_MINUTES
    if not reaches:
        return None
    return AirportDelays(minutes / count, late / count) if count else AirportDelays(None, None)


def written(departures: Sequence[Departure]) -> str:
    """As the feature `departures` of a record, the newest last; those that are too old for it are left out."""
    ordered = sorted(departures, key=lambda departure: departure.left_at)
    return " ".join(
        f"{departure.left_at:%Y-%m-%dT%H:%M},{departure.delay:g}"
        for departure in ordered
        if departure.left_at > ordered[-1].left_at - KEPT
    )


def read(text: str) -> list[Departure]:
    """What `written` wrote. Raises ValueError."""
    departures = []
    for entry in text.split():
        left_at, _, delay = entry.partition(",")
        departures.append(Departure(datetime.fromisoformat(left_at), float(delay)))
    return departures
