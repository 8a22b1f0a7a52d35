"""The backend's image as ECS runs it: once for the migrations, then as tasks, on a volume or a database."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.images import Image, volumes


@pytest.mark.parametrize("options", [[], ["--read-only", "--cap-drop", "ALL"], ["--user", "0"]])
def test_migrated_task_serves_and_stops(backend_image: Image, tmp_path: Path, options: list[str]) -> None:
    """Migrations end with 0, a task is then ready, and SIGTERM ends it with 0; it writes nowhere but to /data."""
    data = tmp_path / "data"
    data.mkdir()
    # the image's user is none of this machine's
    data.chmod(0o777)
    mounts = {data: "/data"}
    migrated = backend_image.run("python", "-m", "backend_api.migrate", options=[*volumes(mounts), *options])
    assert 0 == migrated.returncode, migrated.stderr
    with backend_image.serving(
        tmp_path / "log", variables={"PORT": "8000"}, mounts=mounts, ready="/health", options=options
    ) as service:
        assert 200 == service.wait("/ready").status
        assert "ready" == service.ask("GET", "/ready").json()["database"]["status"]
        assert 0 == service.stop()


def test_task_without_migrations_is_alive_and_not_ready(backend_image: Image, tmp_path: Path) -> None:
    """A database that is not migrated keeps traffic away, and restarts nothing."""
    with backend_image.serving(tmp_path / "log", variables={"PORT": "8000"}, mounts={}, ready="/health") as service:
        assert 503 == service.ask("GET", "/ready").status
        assert 0 == service.stop()
