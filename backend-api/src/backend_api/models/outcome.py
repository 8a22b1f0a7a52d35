"""What came true: the shapes of `POST /api/predictions/{id}/outcome`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Outcome(BaseModel):
    """What a client says."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    late: bool = Field(description="the flight arrived more than 15 minutes late")


class KeptOutcome(BaseModel):
    """What is kept, and becomes the label of this prediction."""

    model_config = ConfigDict(frozen=True)

    prediction_id: str
    late: bool
    source: str = Field(description="who said so: `device`, or the name of a source in OUTCOME_SOURCES")
