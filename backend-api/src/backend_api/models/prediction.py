"""What a client asks and what it gets: the shapes of `POST /api/predict` and `GET /api/predictions/{id}`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

_LOCAL_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?", re.ASCII)


def _local_time(value: object) -> datetime:
    """A wall-clock time without an offset: the airport's own clock is what the model learnt from."""
    if isinstance(value, datetime) and value.tzinfo is None:
        return value
    if isinstance(value, str) and _LOCAL_TIME.fullmatch(value):
        try:
            return datetime.fromisoformat(value)
        except ValueError as error:
            raise ValueError(f"a real local date and time ({error})") from error
    raise ValueError("a local date and time without an offset, such as 2013-07-04T08:15")


# Not the format `date-time`, which has an offset.
Local = Annotated[
    datetime,
    WithJsonSchema({"type": "string", "pattern": f"^{_LOCAL_TIME.pattern}$", "examples": ["2013-07-04T08:15"]}),
]
LocalTime = Annotated[Local, BeforeValidator(_local_time)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Weather(_Strict):
    """What is known better than the climate of the month: the hour before departure, at the origin."""

    temp: float | None = Field(default=None, ge=-50, le=130, description="°F")
    dewp: float | None = Field(default=None, ge=-60, le=100, description="dew point, °F")
    humid: float | None = Field(default=None, ge=0, le=100, description="relative humidity, %")
    wind_dir: float | None = Field(default=None, ge=0, le=360, description="degrees; has no typical value")
    wind_speed: float | None = Field(default=None, ge=0, le=200, description="miles an hour")
    precip: float | None = Field(default=None, ge=0, le=20, description="inches in the hour")
    pressure: float | None = Field(default=None, ge=850, le=1100, description="at sea level, mbar")
    visib: float | None = Field(default=None, ge=0, le=100, description="miles")


class ScheduledFlight(_Strict):
    """What a timetable tells of a flight, as `GET /api/outlook` asks about it."""

    origin: str = Field(pattern=r"^[A-Z]{3}$", description="airport of departure: EWR, JFK or LGA", examples=["JFK"])
    destination: str = Field(pattern=r"^[A-Z]{3}$", description="airport of arrival", examples=["LAX"])
    carrier: str = Field(pattern=r"^[A-Z0-9]{2}$", description="two-letter airline code", examples=["B6"])
    departure: LocalTime = Field(description="scheduled, local time at the origin")


class Flight(ScheduledFlight):
    """The flight that a client asks about."""

    arrival: LocalTime | None = Field(default=None, description="scheduled, local time at the destination")
    weather: Weather | None = None

    @model_validator(mode="after")
    def _arrives_soon(self) -> Self:
        if self.arrival is not None and abs(self.arrival - self.departure) > timedelta(hours=24):
            raise ValueError("an arrival within 24 hours of the departure")
        return self


class Prediction(BaseModel):
    """An answer, as it was stored."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    id: str
    request_id: str
    origin: str
    destination: str
    carrier: str
    departure: Local = Field(description="local time at the origin")
    probability: float = Field(ge=0, le=1, description="that the flight arrives more than 15 minutes late")
    late: bool = Field(description="`probability` reaches `threshold`")
    threshold: float
    model_version: str
    created_at: datetime
