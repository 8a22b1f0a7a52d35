"""The model behind FastAPI: `uvicorn model:app`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import lightgbm
import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel

FOLDER = Path(os.environ["MODEL_FOLDER"])
FEATURES = json.loads((FOLDER / "metadata.json").read_text())["feature_schema"]["features"]
CODES = {f["name"]: {value: code for code, value in enumerate(f["values"])} for f in FEATURES if "values" in f}

app = FastAPI()
booster = lightgbm.Booster(model_file=str(FOLDER / "model.txt"))


class Instance(BaseModel):
    """The model's features."""

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
    """Rows to predict."""

    instances: list[Instance]


class Answer(BaseModel):
    """A probability for each."""

    model_version: str
    predictions: list[float]


@app.post("/predict")
async def predict(request: Request) -> Answer:
    """Score the rows."""
    rows = [[_number(f["name"], getattr(row, f["name"])) for f in FEATURES] for row in request.instances]
    scores = booster.predict(np.array(rows, dtype=np.float64), num_threads=1)
    return Answer(model_version="v1.0", predictions=scores.tolist())


def _number(name: str, value: str | float | None) -> float | None:
    return CODES[name].get(value) if name in CODES else value
