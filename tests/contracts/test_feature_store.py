"""The online store as the platform writes it, read by a backend in a process of its own, as `shipway.yaml` joins them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from features.departures import Departure, airport_delays, read, written
from shipway.core.description.feature_group import FeatureGroup
from shipway.core.features.record import Record, checked
from shipway.local.features.online_store import OnlineStore, online_file
from tests.contracts.programs import Program, Service

ROOT = Path(__file__).parents[2]
GROUPS = yaml.safe_load((ROOT / "shipway.yaml").read_text())["features"]
FLIGHT = {"origin": "JFK", "destination": "LAX", "carrier": "B6", "departure": "2013-07-04T08:15"}
LEFT = " ".join(f"2013-07-04T07:{minute:02},{minute - 5}" for minute in range(0, 60, 5))


@dataclass
class Reading:
    """A backend that reads the environment dev's store."""

    store: OnlineStore
    backend: Service
    database: Path

    def put(self, group: str, **values: object) -> None:
        """As `shipway features put` does."""
        record = checked(group, FeatureGroup.model_validate(GROUPS[group]), {"airport": "JFK", **values})
        assert [record] == self.store.put("dev", [record])

    def predict(self) -> tuple[dict[str, str], dict[str, Any]]:
        """What a prediction rests on, and the features that the model was asked about."""
        answer = self.backend.ask("POST", "/api/predict", json.dumps(FLIGHT)).json()
        with closing(sqlite3.connect(self.database)) as database:
            (features,) = database.execute("SELECT features FROM predictions WHERE id = ?", (answer["id"],)).fetchone()
        return answer["basis"], json.loads(features)


@pytest.fixture
def reading(two_variants: Service, tmp_path: Path) -> Iterator[Reading]:
    """The store is not there yet when the backend starts."""
    program, database = Program("backend-api"), tmp_path / "ontime.db"
    variables = {
        "DATABASE_URL": f"sqlite+aiosqlite:///{database}",
        "MODEL_SERVICE_URL": two_variants.url,
        "FEATURES": online_file(tmp_path, "dev").as_uri(),
        "FEATURES_DEADLINE": "1",
    }
    migrated = program.run("-m", "backend_api.migrate", **variables)
    assert 0 == migrated.returncode, migrated.stderr
    with program.serving(["-m", "backend_api"], tmp_path / "backend.log", variables, "/ready") as backend:
        yield Reading(OnlineStore(tmp_path), backend, database)


def test_what_is_put_is_what_the_model_is_asked(reading: Reading) -> None:
    """Put while the backend runs; a newer record counts at once, a deleted one no more."""
    reading.put("airport", at="2013-07-04T11:55:00Z", departures=LEFT)
    reading.put("weather", at="2013-07-04T11:00:00Z", hour="2013-07-04T07:00", temp=80.06, wind_dir=220)
    basis, features = reading.predict()
    assert {"airport": "live", "weather": "live"} == basis
    # 07:00, 07:05, 07:10 and 07:15 left an hour before, 5 early to 10 late
    assert (2.5, 0.0) == (features["airport_delay"], features["airport_late_share"])
    assert (80.06, 220, None) == (features["temp"], features["wind_dir"], features["dewp"])
    reading.put("airport", at="2013-07-04T11:56:00Z", departures="2013-07-04T07:10,40")
    assert (40.0, 1.0) == tuple(reading.predict()[1][name] for name in ("airport_delay", "airport_late_share"))
    assert reading.store.delete("dev", Record("weather", "JFK", 2e9, deleted=True), hard=False)
    assert {"airport": "live", "weather": "typical"} == reading.predict()[0]


def test_records_of_departures() -> None:
    """What is written is read again, the newest last, without what no flight looks back to."""
    departures = read(LEFT)
    early = [Departure(departures[0].left_at.replace(hour=3, minute=minute), 7.5) for minute in (56, 55)]
    assert [early[0], *departures] == read(written([*reversed(departures), *early]))
    nothing = airport_delays(departures, departures[-1].left_at.replace(hour=10, minute=55))
    assert nothing is None
