"""The shape of `GET /api/outlook`."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from backend_api.models.prediction import Local


class HourOutlook(BaseModel):
    """The flight, were it to leave in this hour."""

    model_config = ConfigDict(frozen=True)

    departure: Local = Field(description="local time at the origin")
    probability: float = Field(ge=0, le=1, description="that the flight arrives more than 15 minutes late")


class Outlook(BaseModel):
    """The same flight at each hour of its day, in the day's order."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    model_version: str
    hours: Sequence[HourOutlook] = Field(min_length=1, max_length=24)
