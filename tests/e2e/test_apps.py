"""A release and its bundle, out to devices and back, through the real command line, router and tasks."""

from __future__ import annotations

import http.client
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from shipway.core import contract
from shipway.core.contract.bundles import BUILTIN
from shipway.core.contract.cohorts import is_within
from tests.e2e.conftest import Shipway
from tests.waiting import wait_for

pytestmark = pytest.mark.lengthy
API = {"paths": {"/ask": {"get": {"responses": {"200": {"description": "fine"}}}}}}
SHARE = 20


@dataclass
class Device:
    """A device: the bundle that it runs, all that it met, and bundles that don't start on it."""

    id: str
    bad: set[str]
    bundle: str = BUILTIN
    met: list[str] = field(default_factory=list)


class Devices:
    """Fifty devices that call again and again; what each of them met at one moment is in `pairs`.

    `forth`: they ask for bundles first, then the API; on the way back the other way round. So each pair that a right
    order of things can't make is an error of that order.
    """

    def __init__(self, port: int) -> None:
        self.bad: set[str] = set()
        self.all = [Device(f"device-{n}", self.bad) for n in range(50)]
        self.pairs: set[tuple[str, str]] = set()
        self.forth = True
        self.failures: list[str] = []
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    def call(self) -> None:
        """Every device calls once."""
        for device in self.all:
            if self.forth:
                bundle, release = self._check_in(device), self._api(device)
            else:
                release, bundle = self._api(device), self._check_in(device)
            self.pairs.add((release, bundle))

    @contextmanager
    def calling(self) -> Iterator[None]:
        """They call all the time; an error of theirs is the test's."""
        ended = threading.Event()

        def call() -> None:
            try:
                while not ended.is_set():
                    self.call()
            except Exception as error:
                self.failures.append(repr(error))

        thread = threading.Thread(target=call)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(30)
        assert [] == self.failures

    def have(self, bundle: str) -> None:
        """Wait until every device runs it."""
        wait_for(lambda: all(device.bundle == bundle for device in self.all) or self.failures, seconds=60)

    def _check_in(self, device: Device) -> str:
        answer = self._post("/ota/updates", {"device": device.id, "bundle": device.bundle})
        version = str(answer["version"])
        if version != device.bundle:
            assert answer["there"], f"{version} is offered and not in the bucket"
            device.met.append(version)
            fails = version in self.bad
            state = "failed" if fails else "started"
            self._post("/ota/stats", {"device": device.id, "bundle": version, "state": state})
            device.bundle = device.bundle if fails else version
        return version

    def _api(self, device: Device) -> str:
        status, headers, _ = self._ask("GET", "/ask", None, device.id)
        assert 200 == status
        return str(headers["x-shipway-release"])

    def _post(self, path: str, body: dict[str, str]) -> dict[str, Any]:
        status, _, answer = self._ask("POST", path, json.dumps(body).encode(), body["device"])
        assert 200 == status, answer
        found: dict[str, Any] = json.loads(answer)
        return found

    def _ask(self, method: str, path: str, body: bytes | None, device: str) -> tuple[int, Any, bytes]:
        self._connection.request(method, path, body, {"x-device-id": device, "idempotency-key": "1"})
        answer = self._connection.getresponse()
        return answer.status, answer.headers, answer.read()


@pytest.fixture
def app(shipway: Shipway) -> Shipway:
    """A service with an API, one that answers devices, and the app that they run."""
    updates = shipway.root / "updates"
    updates.mkdir()
    shutil.copy(Path(__file__).with_name("updates_service.py"), updates / "app.py")
    shutil.copytree(Path(contract.__file__).parent, updates / "contract", ignore=shutil.ignore_patterns("__pycache__"))
    phone = shipway.root / "phone"
    phone.mkdir()
    (phone / "index.html").write_text("first")
    (phone / "native.json").write_text('{"version": "1.0"}')
    for folder in (phone, shipway.root / "hello"):
        (folder / "openapi.json").write_text(json.dumps(API))
    shipway.description["services"]["hello"] |= {"routes": ["/*"], "openapi": "openapi.json"}
    shipway.description["services"]["updates"] = {
        "path": "updates", "command": "python app.py", "lock": "none", "routes": ["/ota/*"],
        "env": {"DATABASE": "{data}/devices.db"},
    }  # fmt: skip
    shipway.description["apps"] = {
        "phone": {
            "path": "phone", "build": "sh -c 'mkdir dist && cp index.html dist/'", "lock": "none",
            "updates": "updates", "calls": {"hello": {"document": "openapi.json"}},
            "rollout": {"steps": [SHARE], "step_wait": 0.2, "guard": {"min_devices": 5, "min_devices_to_fail": 5}},
        },
    }  # fmt: skip
    shipway.description["environments"]["dev"]["rollout"] = {
        "strategy": "blue_green", "step_wait": 0, "bake": 0, "keep_warm": 60,
    }  # fmt: skip
    shipway.commit("an app that devices run")
    return shipway


def bundle_of(app: Shipway, release: str) -> str:
    run = next(run for run in app.json("runs")["runs"] if run["release"] == release)
    return str(app.json("run", "show", run["id"])["release"]["app_version"])


def test_a_release_and_its_bundle_out_and_back(app: Shipway) -> None:
    """Fifty devices meet API and bundle of one release, or an older bundle with the newer API; a bad bundle comes back.

    Never a newer bundle with an older API. A bundle that does not start reaches no more devices than its step's share.
    """
    app.up()
    app.run("deploy", "--env", "dev")
    devices = Devices(app.ports["dev"])
    with devices.calling():
        first = bundle_of(app, "r1")
        devices.have(first)
        (app.root / "phone" / "index.html").write_text("second")
        app.answer_with("newer", "a newer API and a newer app")
        app.run("deploy", "--env", "dev")
        second = bundle_of(app, "r2")
        devices.have(second)
    assert {("r1", BUILTIN), ("r1", first), ("r2", first), ("r2", second)} == devices.pairs

    devices.forth, devices.pairs = False, set()
    with devices.calling():
        app.run("rollback", "--env", "dev", "--yes", "--why", "worse")
        devices.have(first)
    assert devices.pairs <= {("r2", second), ("r2", first), ("r1", first)}
    status = app.json("status")["environments"][0]
    assert ("r1", first, [second]) == (
        status["release"], status["app"]["stable"], [one["version"] for one in status["app"]["taken_back"]]
    )  # fmt: skip

    (app.root / "phone" / "index.html").write_text("does not start")
    app.commit("a bad app")
    app.run("up", "--detach")
    devices.forth = True
    for device in devices.all:
        device.met.clear()
    app.kill_daemon()
    devices.call()  # nobody needs the daemon for this
    app.up()
    run = app.json("deploy", "--env", "dev")["run"]
    bad = bundle_of(app, run["release"])
    devices.bad.add(bad)
    with devices.calling():
        wait_for(lambda: bad in [one["version"] for one in app.environment("dev")["app"]["taken_back"]], seconds=60)
        devices.have(first)
    met = {device.id for device in devices.all if bad in device.met}
    assert met
    assert met <= {device.id for device in devices.all if is_within(device.id, SHARE)}
    assert run["release"] == app.environment("dev")["release"]
    actions = [(entry["who"], entry["action"]) for entry in reversed(app.json("audit")["entries"])]
    assert ["promote bundle", "promote bundle", "give devices the bundle before", "take back bundle"] == [
        action for _, action in actions if "bundle" in action
    ]
    assert f"bundle {bad} was taken back" in app.run("app", "show", "--env", "dev").stdout


def test_the_gate_ends_a_deploy_with_its_code(app: Shipway) -> None:
    """An API that lacks what devices' bundles use: exit code 3, the operation is named, and nothing was started."""
    app.up()
    app.run("deploy", "--env", "dev")
    (app.root / "hello" / "openapi.json").write_text('{"paths": {}}')
    (app.root / "phone" / "openapi.json").write_text('{"paths": {}}')
    (app.root / "phone" / "index.html").write_text("asks nothing")
    app.commit("an API without anything")
    refused = app.run("deploy", "--env", "dev", expect=3)
    assert f"GET /ask: the operation is gone (bundle {bundle_of(app, 'r1')}; hello of r2)" in refused.stdout
    assert "r1" == app.environment("dev")["release"]
