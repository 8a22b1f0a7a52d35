"""The backend as a good template has it: FastAPI, pydantic, httpx, SQLAlchemy's async session; `uvicorn backend:app`.

It does what Ontime's backend does for an answer: checks the flight, derives the features (training/README.md), asks the
model, stores the prediction durably in SQLite, then answers.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import httpx
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import JSON, event
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

REFERENCE = json.loads(Path(os.environ["REFERENCE_FILE"]).read_text())
THRESHOLD = 0.5

# SQLite lets one write at a time, and who meets its lock sleeps: requests that queue for one connection get on faster.
engine = create_async_engine(os.environ["DATABASE_URL"], pool_size=1, max_overflow=0)
make_session = async_sessionmaker(engine, expire_on_commit=False)


@event.listens_for(engine.sync_engine, "connect")
def prepare(connection: Any, _record: object) -> None:
    """As durable as Ontime's own store, and as friendly to readers."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


class Base(DeclarativeBase):
    """Tables."""


class StoredPrediction(Base):
    """One answer."""

    __tablename__ = "predictions"

    id: Mapped[str] = mapped_column(primary_key=True)
    request_id: Mapped[str]
    created_at: Mapped[datetime]
    origin: Mapped[str]
    destination: Mapped[str]
    carrier: Mapped[str]
    departure: Mapped[datetime]
    features: Mapped[dict[str, Any]] = mapped_column(JSON)
    probability: Mapped[float]
    late: Mapped[bool]
    threshold: Mapped[float]
    model_version: Mapped[str]


class Flight(BaseModel):
    """What a client asks about."""

    model_config = ConfigDict(extra="forbid")

    origin: str = Field(pattern=r"^[A-Z]{3}$")
    destination: str = Field(pattern=r"^[A-Z]{3}$")
    carrier: str = Field(pattern=r"^[A-Z0-9]{2}$")
    departure: datetime


class Prediction(BaseModel):
    """What it gets."""

    model_config = ConfigDict(from_attributes=True, protected_namespaces=())

    id: str
    request_id: str
    origin: str
    destination: str
    carrier: str
    departure: datetime
    probability: float
    late: bool
    threshold: float
    model_version: str
    created_at: datetime


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One client and one table for the life of the process."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with httpx.AsyncClient(base_url=os.environ["MODEL_SERVICE_URL"], timeout=3.0) as client:
        app.state.client = client
        yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


async def get_session() -> AsyncIterator[AsyncSession]:
    """A session for each request."""
    async with make_session() as session:
        yield session


def get_client(request: Request) -> httpx.AsyncClient:
    """The process's client."""
    return request.app.state.client


SessionDep = Annotated[AsyncSession, Depends(get_session)]
ClientDep = Annotated[httpx.AsyncClient, Depends(get_client)]
RequestId = Annotated[str, Header(alias="x-request-id", default_factory=lambda: uuid.uuid4().hex)]


@app.post("/api/predict", response_model=Prediction)
async def predict(flight: Flight, session: SessionDep, client: ClientDep, request_id: RequestId) -> StoredPrediction:
    """Derive, ask, store, answer."""
    row = features(flight)
    answer = await client.post("/predict", json={"instances": [row]})
    if answer.status_code != 200:
        raise HTTPException(502, "the model service failed")
    scored = answer.json()
    probability = scored["predictions"][0]
    stored = StoredPrediction(
        id=str(uuid.uuid4()),
        request_id=request_id,
        created_at=datetime.now(UTC),
        origin=flight.origin,
        destination=flight.destination,
        carrier=flight.carrier,
        departure=flight.departure,
        features=row,
        probability=probability,
        late=probability >= THRESHOLD,
        threshold=THRESHOLD,
        model_version=scored["model_version"],
    )
    session.add(stored)
    await session.commit()
    return stored


def features(flight: Flight) -> dict[str, Any]:
    """The row that the model is asked about."""
    known = (("origins", flight.origin), ("destinations", flight.destination), ("carriers", flight.carrier))
    for kind, code in known:
        if code not in REFERENCE[kind]:
            raise HTTPException(422, f"{code} is none of the {kind}")
    hour, minute = flight.departure.hour, flight.departure.hour * 60 + flight.departure.minute
    route = REFERENCE["routes"].get(f"{flight.origin}-{flight.destination}", {})
    clock = route.get("clock_minutes")
    airport = REFERENCE["airport"][flight.origin]
    weather = REFERENCE["weather"]
    return {
        "carrier": flight.carrier,
        "origin": flight.origin,
        "dest": flight.destination,
        "distance": route.get("distance"),
        "day_of_week": flight.departure.isoweekday(),
        "departure_minute": minute,
        "arrival_minute": None if clock is None else (minute + clock) % 1440,
        "clock_minutes": clock,
        "wind_dir": None,
        "airport_delay": airport["airport_delay"][hour],
        "airport_late_share": airport["airport_late_share"][hour],
        **dict(zip(weather["names"], weather[flight.origin][flight.departure.month - 1][hour], strict=True)),
    }
