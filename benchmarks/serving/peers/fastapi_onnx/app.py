"""FastAPI, tuned by hand.

Granian and uvloop, typed dictionaries (pydantic's quickest models), ONNX Runtime on the event loop, and the answer's
bytes made once, by orjson.
"""

from __future__ import annotations

import orjson
from fastapi import FastAPI, Response
from pydantic import BaseModel
from scoring import Scorer
from typing_extensions import TypedDict

app = FastAPI()
scorer = Scorer()


class Instance(TypedDict):
    """A flight."""

    carrier: str | None
    origin: str
    dest: str | None
    distance: float | None
    day_of_week: float
    departure_minute: float
    arrival_minute: float | None
    clock_minutes: float | None
    temp: float | None
    dewp: float | None
    humid: float | None
    wind_dir: float | None
    wind_speed: float | None
    precip: float | None
    pressure: float | None
    visib: float | None
    airport_delay: float | None
    airport_late_share: float | None


class Request(BaseModel):
    """Flights to predict."""

    instances: list[Instance]


@app.post("/predict")
async def predict(request: Request) -> Response:
    """Score the flights."""
    body = orjson.dumps({"predictions": scorer.predict(request.instances)})
    return Response(body, media_type="application/json")
