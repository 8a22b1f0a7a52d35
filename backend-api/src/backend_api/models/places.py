"""The shape of `GET /api/places`."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field


class Place(BaseModel):
    """An airport or an airline."""

    model_config = ConfigDict(frozen=True)

    code: str = Field(description="IATA code: three letters for airports, two letters or digits for airlines")
    name: str


class Places(BaseModel):
    """What can be asked about, by the names that people know."""

    model_config = ConfigDict(frozen=True)

    origins: Sequence[Place]
    destinations: Sequence[Place]
    carriers: Sequence[Place]
