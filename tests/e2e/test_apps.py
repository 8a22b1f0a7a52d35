"""A release and its bundle, out to devices and back, through the real command line, router and tasks."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from shipway.core.contract.bundles import BUILTIN
from shipway.core.contract.cohorts import is_within
from shipway.demo.device import over_http
from tests.devices.device import Behaviour, Device
from tests.e2e.conftest import Shipway
from tests.e2e.model_app import SCHEMA, SERVICE, publish
from tests.waiting import wait_for

pytestmark = pytest.mark.lengthy
WIDER = {**SCHEMA, "features": [*SCHEMA["features"], {"name": "y", "type": "number", "nullable": True}]}
API = {"paths": {"/ask": {"get": {"responses": {"200": {"description": "fine"}}}}}}
SHARE = 20
ROOT = Path(__file__).parents[2]
CONTRACT = "src/shipway/core/contract"
NOT_COPIED = shutil.ignore_patterns("__pycache__", "tests", ".*")


class Met(NamedTuple):
    """What an answer of the API came from: a release, its model version and request schema."""

    release: str
    model: str
    schema: str


class Phones:
    """Fifty devices that call again and again; what each of them met at one moment is in `pairs`.

    `forth`: they ask for bundles first, then the API; on the way back the other way round. So each pair that a right
    order of things can't make is an error of that order.
    """

    def __init__(self, address: str, public_key: str) -> None:
        self._ask = over_http(address)
        self.behaves: dict[str, Behaviour] = {}
        self.all = [Device(f"device-{n}", self._ask, behaves=self.behaves, public_key=public_key) for n in range(50)]
        self.pairs: set[tuple[Met, str]] = set()
        self.forth = True
        self.failures: list[str] = []

    def call(self) -> None:
        """Every device calls once."""
        for phone in self.all:
            if self.forth:
                bundle, met = opened(phone), self._api()
            else:
                met, bundle = self._api(), opened(phone)
            self.pairs.add((met, bundle))

    @contextmanager
    def calling(self) -> Iterator[None]:
        """They call all the time; an error of theirs is the test's."""
        ended = threading.Event()

        def call() -> None:
            try:
                # A pause after each round, so that there is a machine left to deploy with.
                while not ended.wait(0.3):
                    self.call()
            except Exception as error:
                self.failures.append(repr(error))

        thread = threading.Thread(target=call)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(60)
        assert [] == self.failures

    def run(self, bundle: str) -> None:
        """Wait until every device runs it."""
        wait_for(lambda: self.failures or all(phone.running == bundle for phone in self.all), seconds=90)

    def _api(self) -> Met:
        answer = self._ask("GET", "/ask", None)
        assert 200 == answer.status
        body = json.loads(answer.body)
        return Met(
            answer.headers["x-shipway-release"], body["model_version"], body["request_schema"].removeprefix("sha256:")
        )


def opened(phone: Device) -> str:
    """Open the app; the bundle that the device has then, or is to have."""
    phone.open(time.time())
    return phone.next or phone.running


@pytest.fixture
def app(shipway: Shipway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shipway:
    """A service with an API, app-updates beside it, and the app that devices run."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    shutil.copytree(ROOT / "app-updates", shipway.root / "app-updates", symlinks=True, ignore=NOT_COPIED)
    shutil.copytree(ROOT / CONTRACT, shipway.root / CONTRACT, ignore=NOT_COPIED)
    phone = shipway.root / "phone"
    phone.mkdir()
    (phone / "index.html").write_text("first")
    (phone / "native.json").write_text('{"version": "1.0.0", "build": 1}')
    for folder in (phone, shipway.root / "hello"):
        (folder / "openapi.json").write_text(json.dumps(API))
    (shipway.root / "hello" / "app.py").write_text(SERVICE)
    shipway.description["model"] = {"name": "number"}
    shipway.description["services"]["hello"] |= {
        "routes": ["/*"], "openapi": "openapi.json", "ready": "/ready", "model": True,
    }  # fmt: skip
    shipway.description["services"]["app-updates"] = {
        "path": "app-updates", "include": [CONTRACT], "command": "python -m app_updates --host {host} --port {port}",
        "routes": ["/ota/*"], "ready": "/ready", "env": {"DATABASE_URL": "sqlite:///{data}/devices.db"},
        "secrets": ["APP_SIGNING_KEY"], "before_traffic": "python -m app_updates.tables",
    }  # fmt: skip
    shipway.description["apps"] = {
        "phone": {
            "path": "phone", "build": "sh -c 'mkdir dist && cp index.html dist/'", "lock": "none",
            "updates": "app-updates", "calls": {"hello": {"document": "openapi.json"}},
            "rollout": {"steps": [SHARE], "step_wait": 0.2, "guard": {"min_devices": 5, "min_devices_to_fail": 5}},
        },
    }  # fmt: skip
    shipway.description["environments"]["dev"]["rollout"] = {
        "strategy": "blue_green", "step_wait": 0, "bake": 0, "keep_warm": 60,
    }  # fmt: skip
    shipway.commit("an app that devices run")
    # Environments are named by their content: the one of the part's own tests serves here too.
    (shipway.root / ".shipway").mkdir()
    (shipway.root / ".shipway" / "environments").symlink_to(ROOT / ".venv" / "parts")
    publish(shipway, 0.1, "v1.0")
    publish(shipway, 0.2, "v2.0", WIDER)
    return shipway


@pytest.fixture
def phones(app: Shipway) -> Phones:
    """The devices, whose shells have the public half of the key that app-updates signs with."""
    app.up()
    app.run("model", "promote", "v1.0", "--next-release", "--yes")
    public = app.json("app", "key", "--env", "dev")["public_key"]
    return Phones(f"http://127.0.0.1:{app.ports['dev']}", public)


def release(app: Shipway, name: str) -> tuple[Met, str]:
    """What answers of the release come from, and its bundle, as its record says."""
    run = next(run for run in app.json("runs")["runs"] if run["release"] == name)
    found = app.json("run", "show", run["id"])["release"]
    return Met(name, found["model_version"], found["request_schema"]), found["app_version"]


def told(app: Shipway) -> list[str]:
    """What the audit log says was done, and with which release, model and bundle, oldest first."""
    entries = reversed(app.json("audit")["entries"])
    named = ("release", "model", "version", "stable")
    return [
        " ".join([one["action"], *(one["detail"][key] for key in named if one["detail"].get(key))]) for one in entries
    ]


def bundle_of(app: Shipway, name: str) -> str:
    return release(app, name)[1]


def test_a_release_and_its_bundle_out_and_back(app: Shipway, phones: Phones) -> None:
    """Fifty devices meet API, model, schema and bundle of one release, or an older bundle with the newer API.

    Never a newer bundle with an older API. A bundle that does not start reaches no more devices than its step's share,
    and comes back.
    """
    app.run("deploy", "--env", "dev")
    with phones.calling():
        r1, first = release(app, "r1")
        phones.run(first)
        (app.root / "phone" / "index.html").write_text("second")
        (app.root / "hello" / "app.py").write_text(f"{SERVICE}# newer\n")
        app.commit("a newer API and a newer app")
        app.run("model", "promote", "v2.0", "--next-release", "--yes")
        app.run("deploy", "--env", "dev")
        r2, second = release(app, "r2")
        phones.run(second)
    assert (("v1.0", "v2.0"), True, True) == ((r1.model, r2.model), r1.schema != r2.schema, first != second)
    assert {(r1, BUILTIN), (r1, first), (r2, first), (r2, second)} == phones.pairs

    phones.forth, phones.pairs = False, set()
    with phones.calling():
        app.run("rollback", "--env", "dev", "--yes", "--why", "worse")
        phones.run(first)
    assert phones.pairs <= {(r2, second), (r2, first), (r1, first)}
    assert [
        *("deploy", "rollout r1", "promoted r1 v1.0", f"promote bundle {first}", "promote model v2.0"),
        *("deploy", "rollout r2", "promoted r2 v2.0", f"promote bundle {second}"),
        *("rollback", f"give devices the bundle before {first}", "flip r1", "promoted r1 v1.0"),
    ] == told(app)[-13:]
    status = app.json("status")["environments"][0]
    assert ("r1", first, [second]) == (
        status["release"], status["app"]["stable"], [one["version"] for one in status["app"]["taken_back"]]
    )  # fmt: skip

    (app.root / "phone" / "index.html").write_text("does not start")
    app.commit("a bad app")
    app.kill_daemon()
    phones.call()  # nobody needs the daemon for this
    app.up()
    for phone in phones.all:
        phone.met.clear()
    run = app.json("deploy", "--env", "dev")["run"]
    bad = bundle_of(app, run["release"])
    phones.behaves[bad] = Behaviour.NO_BOOT
    with phones.calling():
        wait_for(lambda: bad in [one["version"] for one in app.environment("dev")["app"]["taken_back"]], seconds=60)
        phones.run(first)
    met = {phone.id for phone in phones.all if bad in phone.met}
    assert met
    assert met <= {phone.id for phone in phones.all if is_within(phone.id, SHARE)}
    assert run["release"] == app.environment("dev")["release"]
    actions = [(entry["who"], entry["action"]) for entry in reversed(app.json("audit")["entries"])]
    assert ["promote bundle", "promote bundle", "give devices the bundle before", "take back bundle"] == [
        action for _, action in actions if "bundle" in action
    ]
    assert f"bundle {bad} was taken back" in app.run("app", "show", "--env", "dev").stdout


def test_the_gate_ends_a_deploy_with_its_code(app: Shipway, phones: Phones) -> None:
    """An API that lacks what devices' bundles use: exit code 3, the operation is named, and nothing was started."""
    app.run("deploy", "--env", "dev")
    (app.root / "hello" / "openapi.json").write_text('{"paths": {}}')
    (app.root / "phone" / "openapi.json").write_text('{"paths": {}}')
    (app.root / "phone" / "index.html").write_text("asks nothing")
    app.commit("an API without anything")
    refused = app.run("deploy", "--env", "dev", expect=3)
    assert f"GET /ask: the operation is gone (bundle {bundle_of(app, 'r1')}; hello of r2)" in refused.stdout
    assert "r1" == app.environment("dev")["release"]
