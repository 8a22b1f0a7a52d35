"""The mobile app, installed and built; the backend and the model service that it is tried against."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contracts.conftest import bucket, model_service, trained, training  # noqa: F401
from tests.contracts.programs import Program, Service
from tests.mobile.app import MOBILE, App, find_node, package_file
from tests.ports import free_port


@pytest.fixture(scope="session")
def app() -> App:
    """The app in its own folder, with its packages."""
    app = App(MOBILE, find_node(package_file()))
    app.install()
    return app


@pytest.fixture(scope="session")
def bundle(app: App) -> str:
    """The digest of the bundle, which is built."""
    return app.build()


@dataclass(frozen=True, slots=True)
class Behind:
    """What answers the app: the backend, which lets in pages of one port, and the model service behind it."""

    backend: Service
    model: Service
    app_port: int


@pytest.fixture(scope="session")
def behind(
    model_service: Program,  # noqa: F811
    bucket: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Behind]:
    folder, app_port = tmp_path_factory.mktemp("behind"), free_port()
    backend = Program("backend-api")
    model_variables = {"MODEL_BAKED": str(bucket / "v1.0")}
    with model_service.serving(["-m", "ml_model_service"], folder / "model.log", model_variables) as model:
        variables = {
            "DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'ontime.db'}",
            "MODEL_SERVICE_URL": model.url,
            "CORS_ORIGINS": f"http://localhost:{app_port}",
        }
        migrated = backend.run("-m", "backend_api.migrate", **variables)
        assert 0 == migrated.returncode, migrated.stderr
        with backend.serving(["-m", "backend_api"], folder / "backend.log", variables, "/ready") as running:
            yield Behind(running, model, app_port)
