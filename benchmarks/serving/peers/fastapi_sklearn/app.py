"""What people write first: FastAPI, a DataFrame, a scikit-learn pipeline that joblib saved; `uvicorn app:app`."""

from __future__ import annotations

import os
from pathlib import Path

import joblib
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
pipeline = joblib.load(Path(os.environ["BENCHMARK_MATERIAL"]) / "pipeline.joblib")


class Instance(BaseModel):
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


class Answer(BaseModel):
    """A probability for each."""

    predictions: list[float]


@app.post("/predict")
def predict(request: Request) -> Answer:
    """Score the flights."""
    frame = pd.DataFrame([instance.model_dump() for instance in request.instances])
    return Answer(predictions=pipeline.predict_proba(frame)[:, 1].tolist())
