"""A HAProxy per test, tasks behind it; nothing is left running."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from router_harness import Loop, Task, topology

from shipway.core.observations.observation import SIDES, Side
from shipway.local.router import Router
from tests.free_ports import free_port


@pytest.fixture(scope="session")
def loop() -> Iterator[Loop]:
    """Runs servers and clients."""
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def runtime() -> Iterator[Path]:
    """A folder with a short path, for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="sw-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def start(loop: Loop) -> Iterator[Callable[..., Task]]:
    """Starts tasks."""
    started: list[Task] = []

    def start_task(name: str, **behaviour: object) -> Task:
        task = Task(name, loop, **behaviour).start()  # type: ignore[arg-type]
        started.append(task)
        return task

    yield start_task
    for task in started:
        task.kill()


@pytest.fixture
def port() -> int:
    """The public port of `prod`."""
    return free_port()


@pytest.fixture
def router(tmp_path: Path, runtime: Path, port: int) -> Iterator[Router]:
    """A running router for `prod`, without tasks."""
    router = Router(tmp_path / "router", runtime)
    router.ensure_running(topology(port))
    yield router
    router.stop()


@pytest.fixture
def both(router: Router, start: Callable[..., Task]) -> dict[Side, Task]:
    """A backend task on each side: names are the sides, ids too."""
    tasks: dict[Side, Task] = {side: start(side) for side in SIDES}
    for side in SIDES:
        router.set_tasks("prod", side, "backend-api", {side: tasks[side].port})
    return tasks
