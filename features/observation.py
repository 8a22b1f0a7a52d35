"""Which weather observation counts for a departure: the one of the hour before its own, as the model learnt it.

Hours are wall-clock times at the airport, without an offset.
"""

from __future__ import annotations

from datetime import datetime, timedelta

WEATHER = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib")
NEWEST = timedelta(hours=1)
"""Before the departure's hour: the observation that the model learnt, an hour ahead."""
OLDEST = timedelta(hours=3)
"""Before the departure's hour: what was observed a little earlier is closer to the truth than a month's climate."""


def counts(observed: datetime, scheduled: datetime) -> bool:
    """Whether the observation of this hour may be used: it was over an hour ahead, and is not too old."""
    hour = scheduled.replace(minute=0, second=0, microsecond=0)
    return hour - OLDEST <= observed <= hour - NEWEST
