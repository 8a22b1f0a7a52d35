"""The history of feature records in plain words: the store's arrivals, looked through one by one, over CSV."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from shipway.core.description.feature_group import FeatureGroup
from shipway.core.errors import Refused
from shipway.core.features.join import FeatureJoin
from shipway.core.features.record import event_time
from shipway.core.ports.learning import FeatureHistory
from shipway.core.ports.telling import Tell
from shipway.local.features.online_store import online_file


class _Arrival(NamedTuple):
    group: str
    id: str
    event: float
    written: int
    deleted: int
    record: str


class FakeHistory(FeatureHistory):
    """`state` is the store's folder. What was compacted stays where it was; it is only not counted again."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._compacted: dict[tuple[str, str], int] = {}

    def compact(self, environment: str, groups: Mapping[str, FeatureGroup], tell: Tell) -> Mapping[str, int]:
        found: dict[str, int] = {}
        for name in groups:
            number = sum(arrival.group == name for arrival in self._arrivals(environment))
            found[name] = number - self._compacted.get((environment, name), 0)
            self._compacted[environment, name] = number
        return found if online_file(self._state, environment).exists() else {}

    def join(
        self, environment: str, groups: Mapping[str, FeatureGroup], asked: FeatureJoin, tell: Tell
    ) -> Mapping[str, int]:
        rows = _rows(asked)
        known = dict.fromkeys(["rows", *groups], 0) | {"rows": len(rows)}
        for row in rows:
            moment = event_time(asked.time, row[asked.time])
            for name, group in groups.items():
                values = self._known(environment, name, group, row[asked.keys[name]], moment, asked.written)
                known[name] += bool(values)
                row |= {f"{name}.{key}": values.get(key, "") for key in group.types if key != group.record_id}
        with Path(asked.output).open("x", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return known

    def _known(
        self, environment: str, name: str, group: FeatureGroup, id: str, moment: float, written: str | float
    ) -> dict[str, str]:
        until = moment if written == "row" else written
        there = [
            arrival
            for arrival in self._arrivals(environment)
            if (arrival.group, arrival.id) == (name, id)
            and arrival.event <= moment
            and (isinstance(until, str) or arrival.written <= until * 1e6)
        ]
        newest = max(there, key=lambda arrival: (arrival.event, arrival.written), default=None)
        if newest is None or newest.deleted or (group.ttl is not None and moment >= newest.event + group.ttl):
            return {}
        return dict(json.loads(newest.record))

    def _arrivals(self, environment: str) -> list[_Arrival]:
        file = online_file(self._state, environment)
        if not file.exists():
            return []
        query = "SELECT feature_group, record_id, event_time, written, deleted, record FROM arrivals"
        with closing(sqlite3.connect(file)) as database:
            return [_Arrival(*row) for row in database.execute(query)]


def _rows(asked: FeatureJoin) -> list[dict[str, str]]:
    if not Path(asked.rows).exists():
        raise Refused(f"there is no {asked.rows}")
    if Path(asked.output).exists():
        raise Refused(f"{asked.output} is there already: name another file")
    with Path(asked.rows).open(newline="") as file:
        return list(csv.DictReader(file))
