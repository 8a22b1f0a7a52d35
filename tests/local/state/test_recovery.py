"""What is found out again of tasks and router when their files, or the database, are gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from shipway.core.description.app import App
from shipway.core.releases.release import Artifact, Release
from shipway.core.rollouts.records import EnvironmentRecord, SideRecord
from shipway.core.tasks import TaskRecord, TaskSpec
from shipway.local.builds.address import Address
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.local.model_tasks.parameters import FileParameters
from shipway.local.places import Places
from shipway.local.router.router import Router
from shipway.local.router.state import Slot, Split
from shipway.local.router.topology import Pool
from shipway.local.state.recovery import FoundTask, Recovery, recover_tasks, router_state, running_tasks
from shipway.local.state.store import Store
from shipway.local.tasks.processes import ProcessRunner
from shipway.local.tasks.task_logs import FileTaskLog
from shipway.local.tasks.task_specs import TaskSpecs
from shipway.local.tasks.task_table import FileTaskTable

MakeSpec = Callable[..., TaskSpec]
APP = App.model_validate(
    {
        "app": "shop",
        "services": {
            "web": {"path": "web", "command": "web {port}", "routes": ["/*"], "uses": {"model": "MODEL_URL"}},
            "model": {"path": "model", "command": "model {port}"},
        },
        "environments": {
            "dev": {"branch": "main", "port": 8081, "tasks": {"min": 1, "max": 1}, "rollout": {"strategy": "rolling"}}
        },
    }
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "state.db")


@pytest.fixture
def table(tmp_path: Path) -> FileTaskTable:
    return FileTaskTable(tmp_path / "tasks")


@pytest.fixture
def router(tmp_path: Path) -> Router:
    return Router(tmp_path / ".shipway" / "router", Path("/run/none"))


@pytest.fixture
def specs(tmp_path: Path, router: Router) -> TaskSpecs:
    state = tmp_path / ".shipway"
    environments = PythonEnvironments(state / "environments")
    return TaskSpecs(Places(tmp_path, tmp_path), environments, router, FileParameters(state / "parameters"))


def release(tree: Path) -> Release:
    artifacts = {name: Artifact(name, name.ljust(64, "0"), Address(str(tree)).text()) for name in APP.services}
    return Release("r7", "c1", APP, artifacts)


def test_the_routers_state_is_what_the_records_and_the_tasks_say(
    store: Store, make_spec: MakeSpec, tmp_path: Path
) -> None:
    """Traffic to the side that serves, its tasks in their slots, and the addresses that tasks already know."""
    store.put("dev", EnvironmentRecord("dev", "green", ("r7",)))
    store.put("dev-green", SideRecord("dev", "green", "r7", 1))
    store.put("r7", release(tmp_path))
    serving = TaskRecord(make_spec("dev-green-r7-web-0", side="green"), serves=True)
    leaving = TaskRecord(make_spec("dev-green-r6-web-0", side="green"), serves=True, draining=True)
    known = {
        "SHIPWAY_TASK": "dev-green-r7-web-0", "SHIPWAY_ENVIRONMENT": "dev", "SHIPWAY_SERVICE": "web",
        "SHIPWAY_RELEASE": "r7", "MODEL_URL": "http://127.0.0.1:20123",
    }  # fmt: skip
    found = router_state(store, [serving, leaving], [FoundTask(1, known)])
    assert {"dev": Split("green")} == found.splits
    assert {("dev", "green"): "r7"} == found.releases
    assert {Pool("dev", "green", "web"): {1: Slot("dev-green-r7-web-0", 0)}} == found.slots
    assert {Pool("dev", "green", "model"): 20123} == found.internal_ports


def test_a_task_is_known_again_by_its_process(
    store: Store, table: FileTaskTable, specs: TaskSpecs, make_spec: MakeSpec, tmp_path: Path, log: FileTaskLog
) -> None:
    """Its id, its port and its launch are what it was started with; it is not started twice."""
    tree = tmp_path / "artifacts" / "abc" / "tree"
    tree.mkdir(parents=True)
    store.put("r7", release(tree))
    store.put("dev-blue", SideRecord("dev", "blue", "r7", 1))
    own = {"SHIPWAY_ENVIRONMENT": "dev", "SHIPWAY_SERVICE": "model", "SHIPWAY_RELEASE": "r7", "SHIPWAY_LAUNCH": "x1"}
    spec = make_spec("dev-blue-r7-model-0", argv=("sleep", "600"), **own)
    spec = replace(spec, artifact=release(tree).artifacts["model"], port=12345)
    handle = (runner := ProcessRunner(log)).start(spec)
    try:
        found = list(running_tasks(tmp_path / "artifacts"))
        assert ["dev-blue-r7-model-0"] == recover_tasks(found, table, specs, store)
        (record,) = table.all()
        assert (handle, 12345, "x1", True) == (
            record.handle, record.spec.port, record.spec.env["SHIPWAY_LAUNCH"], record.serves,
        )  # fmt: skip
        assert [] == recover_tasks(found, table, specs, store)
    finally:
        runner.kill(spec, handle)


def test_with_nothing_known_the_next_release_comes_up_beside_what_runs(
    store: Store, table: FileTaskTable, specs: TaskSpecs, router: Router, make_spec: MakeSpec, tmp_path: Path
) -> None:
    """It takes the side where nothing serves, and a number that no running task has."""
    table.put(TaskRecord(make_spec("dev-blue-r1-web-0"), serves=True))
    Recovery(tmp_path / "artifacts", store, table, specs, router).find_again()
    assert EnvironmentRecord("dev", "green") == store.get(EnvironmentRecord, "dev")
    assert 2 == store.next_number("release")
