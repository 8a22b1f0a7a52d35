"""The mobile app, installed and built; the router, the backend and the model service that it is tried against."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shipway.local.router import Router
from shipway.local.router.topology import EnvironmentTopology, ServiceRoutes, Topology
from tests.contracts.conftest import (  # noqa: F401
    bucket,
    model_service,
    packaged,
    prepared,
    trained,
    training,
    training_data,
)
from tests.contracts.programs import Program, Service
from tests.free_ports import free_port
from tests.mobile.app import MOBILE, App, find_node, package_file


@pytest.fixture(scope="session")
def app() -> App:
    """The app in its own folder, with its packages; skipped where these can't be had, as npm's registry is away."""
    app = App(MOBILE, find_node(package_file()))
    if not app.is_installed and not app.reaches_registry():
        pytest.skip("npm's registry does not answer, so the app's packages can't be fetched")
    app.install()
    return app


@pytest.fixture(scope="session")
def bundle(app: App) -> str:
    """The digest of the bundle, which is built."""
    return app.build()


@dataclass(frozen=True, slots=True)
class Behind:
    """What answers the app: the router's address, and the model service behind it.

    The backend lets in pages of one port of this machine.
    """

    address: str
    model: Service
    app_port: int


@pytest.fixture(scope="session")
def router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    """The environment dev's front door, with the example's paths."""
    services = (
        ServiceRoutes("backend-api", ("/api/*",), "/ready", internal=False),
        ServiceRoutes("ml-model-service", ("/ml/*",), "/ready", internal=True),
    )
    sockets = Path(tempfile.mkdtemp(prefix="sw-"))
    router = Router(tmp_path_factory.mktemp("router"), sockets)
    try:
        router.ensure_running(Topology((EnvironmentTopology("dev", free_port(), None, services, slots=1),)))
        yield router
    finally:
        router.stop()
        shutil.rmtree(sockets)


@pytest.fixture(scope="session")
def behind(
    router: Router,
    model_service: Program,  # noqa: F811
    bucket: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Behind]:
    folder, app_port = tmp_path_factory.mktemp("behind"), free_port()
    backend = Program("backend-api")
    variables = {
        "DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'ontime.db'}",
        "MODEL_SERVICE_URL": f"http://127.0.0.1:{router.internal_port('dev', 'blue', 'ml-model-service')}",
        "CORS_ORIGINS": f"http://localhost:{app_port}",
    }
    migrated = backend.run("-m", "backend_api.migrate", **variables)
    assert 0 == migrated.returncode, migrated.stderr
    with (
        model_service.serving(
            ["-m", "ml_model_service"], folder / "model.log", {"MODEL_BAKED": str(bucket / "v1.0")}
        ) as model,
        backend.serving(["-m", "backend_api"], folder / "backend.log", variables, "/ready") as running,
    ):
        router.set_tasks("dev", "blue", "ml-model-service", {"model": model.port})
        router.set_tasks("dev", "blue", "backend-api", {"backend": running.port})
        yield Behind(router.public_address("dev"), model, app_port)
