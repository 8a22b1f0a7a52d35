"""Name and password from a secret: what it may hold, when it is read, and how the user's password is changed."""

from __future__ import annotations

import asyncio
import logging

import pytest

from backend_api.database_user import change_password, main
from backend_api.storage import login
from backend_api.storage.database import libpq_address
from backend_api.storage.login import Login, Logins, NoLogin, SecretsManager, parsed


class Memory(SecretsManager):
    """Stages of one secret; `broken` ones can't be written."""

    def __init__(self) -> None:
        self.stages: dict[str, Login] = {}
        self.broken: set[str] = set()

    def login(self, secret: str, stage: str = "AWSCURRENT") -> Login | None:
        return self.stages.get(stage)

    def put(self, secret: str, login: Login, stages: list[str]) -> None:
        if self.broken & set(stages):
            raise NoLogin("Secrets Manager did not answer")
        self.stages |= dict.fromkeys(stages, login)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"username": "ontime", "password": "p"}', Login("ontime", "p")),
        ('{"password": "p", "host": "h"}', Login(None, "p")),
        ("a plain one", Login(None, "a plain one")),
        ("12345678", Login(None, "12345678")),
    ],
)
def test_what_a_secret_holds(text: str, expected: Login) -> None:
    """JSON as RDS writes it, or the password alone."""
    assert expected == parsed(text, "s")


@pytest.mark.parametrize("text", ["", "{}", '{"password": 7}', '{"password": ""}', '{"password": "p", "username": 1}'])
def test_what_is_no_login_is_told_without_its_content(text: str) -> None:
    """The secret's name stands there, and what is expected."""
    with pytest.raises(NoLogin, match=r"^of-ontime: ") as error:
        parsed(text, "of-ontime")
    assert '"p"' not in str(error.value)


def test_a_login_shows_no_password() -> None:
    """Whoever prints one, in a traceback say, sees the user."""
    assert "Login(user='ontime')" == repr(Login("ontime", "of great value"))


class Source:
    """A secret that is read, and how often."""

    def __init__(self, *values: str) -> None:
        self.values = [Login("u", value) for value in values]
        self.reads = 0
        self.away = False

    def __call__(self) -> Login:
        self.reads += 1
        if self.away:
            raise NoLogin("Secrets Manager did not answer get_secret_value")
        return self.values.pop(0) if len(self.values) > 1 else self.values[0]


class Clock:
    """Stands still until it is told to go on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_is_kept_for_a_while_and_then_read_again() -> None:
    """Several connections at once ask once."""

    async def play() -> None:
        source, clock = Source("one", "two"), Clock()
        logins = Logins(source, clock)
        assert {"one"} == {found.password for found in await asyncio.gather(*(logins.current() for _ in range(5)))}
        assert 1 == source.reads
        clock.now = login.KEEP
        assert "two" == (await logins.current()).password

    asyncio.run(play())


def test_a_refused_one_is_read_anew_until_there_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database may know the new one before its secret does; several that were refused together read together."""
    monkeypatch.setattr(login, "_PAUSE", 0)

    async def play() -> None:
        source = Source("old", "old", "old", "new", "newer")
        logins = Logins(source)
        old = await logins.current()
        assert {"new"} == {found.password for found in await asyncio.gather(*(logins.after(old) for _ in range(5)))}
        assert 4 == source.reads

    asyncio.run(play())


def test_where_no_other_one_comes_the_same_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The secret may have been changed before the database was."""
    monkeypatch.setattr(login, "PATIENCE", 0)

    async def play() -> None:
        logins = Logins(Source("same"))
        assert "same" == (await logins.after(await logins.current())).password

    asyncio.run(play())


def test_while_the_secret_is_away_the_known_one_is_good(caplog: pytest.LogCaptureFixture) -> None:
    """At the start there is none: that is told."""

    async def play() -> None:
        source, clock = Source("one"), Clock()
        logins = Logins(source, clock)
        source.away = True
        with pytest.raises(NoLogin):
            await logins.current()
        source.away = False
        await logins.current()
        source.away, clock.now = True, login.KEEP
        assert "one" == (await logins.current()).password

    with caplog.at_level(logging.WARNING):
        asyncio.run(play())
    assert "going on with the password that is known" in caplog.text
    assert "one" not in caplog.text.replace("going on", "")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql+asyncpg://u@h:5432/d?ssl=require", "postgresql://u@h:5432/d?sslmode=require"),
        ("postgresql+asyncpg://u:p%40@h/d", "postgresql://u:p%40@h/d"),
        ("postgresql+asyncpg://h/d?host=%2Ftmp", "postgresql://h/d?host=%2Ftmp"),
    ],
)
def test_the_address_as_the_driver_reads_it(url: str, expected: str) -> None:
    """TLS by both names that people write."""
    assert expected == libpq_address(url)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"DATABASE_SECRET": "s"},
        {"DATABASE_SECRET": "s", "DATABASE_MASTER_SECRET": "m", "DATABASE_URL": "sqlite:///x"},
    ],
)
def test_what_the_one_off_task_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variables: dict[str, str]
) -> None:
    """A missing or wrong setting is named, and nothing is asked."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://ontime@127.0.0.1:1/d")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert 2 == main(variables)
    assert "DATABASE_SECRET" in capsys.readouterr().err


@pytest.mark.postgres
def test_an_interrupted_change_of_the_password_is_finished_by_the_next(postgres_url: str) -> None:
    """Made, changed; and where the secret could not be written, the same password is taken again."""
    secret, master = Memory(), Login("postgres", None)
    address = libpq_address(postgres_url.replace("postgres:@", "", 1))

    def change() -> str:
        return asyncio.run(change_password(address, master, "s", secret))

    secret.stages["AWSCURRENT"] = Login('of "great" \'value', "first")
    assert 'of "great" \'value' == change()
    second = secret.stages["AWSCURRENT"]
    assert second.password not in (None, "first")
    secret.broken = {"AWSCURRENT"}
    with pytest.raises(NoLogin):
        change()
    pending = secret.stages["AWSPENDING"]
    assert second == secret.stages["AWSCURRENT"] != pending
    secret.broken = set()
    change()
    assert pending == secret.stages["AWSCURRENT"] == secret.stages["AWSPENDING"]
    change()
    assert pending != secret.stages["AWSCURRENT"]
