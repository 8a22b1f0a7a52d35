"""A bad bundle under load: how soon after the report that settles it no device is offered it, and what kills cost."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil
import pytest

from shipway.core.contract.cohorts import is_within
from tests.e2e.conftest import Shipway
from tests.e2e.test_apps import SHARE, Phones, app, bundle_of, phones  # noqa: F401
from tests.waiting import wait_for

pytestmark = pytest.mark.lengthy
PER_SECOND, CLIENTS, FEWEST = 100, 10, 8
SOON = 2.0
"""Seconds. The bound of the promise; looks that did not hear of reports were ten seconds apart."""
NAMES = (name for n in itertools.count() if is_within(name := f"load-{n}", SHARE))
"""Devices that the candidate's share takes in, each of which checks in once."""


@dataclass
class Load:
    """Check-ins of ever new devices, paced; the moment of each answer, and the bundle that it offered."""

    port: int
    offered: list[tuple[float, str | None]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._client, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            for thread in threads:
                thread.join(60)

    def _client(self, number: int) -> None:
        pause, due = CLIENTS / PER_SECOND, time.monotonic() + number / PER_SECOND
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        while not self._ended.wait(max(0.0, due - time.monotonic())):
            due += pause
            with self._lock:
                name = next(NAMES)
            try:
                answer = post(connection, "/ota/updates", said(name))
                found = time.monotonic(), answer.get("version")
                with self._lock:
                    self.offered.append(found)
            except (OSError, ValueError, http.client.HTTPException) as error:
                with self._lock:
                    self.failures.append(repr(error))
                connection.close()

    def since(self, moment: float) -> list[tuple[float, str | None]]:
        with self._lock:
            return [(at, version) for at, version in self.offered if at >= moment]


def said(device: str) -> dict[str, object]:
    return {"platform": "android", "device_id": device, "app_id": "com.example.ontime", "version_build": "1.0.0",
            "version_code": "1", "version_os": "15", "version_name": "builtin", "plugin_version": "8.51.23",
            "is_prod": True}  # fmt: skip


def post(connection: http.client.HTTPConnection, path: str, body: object) -> dict[str, str]:
    """The answer; raises ValueError for any other than 200."""
    connection.request("POST", path, json.dumps(body).encode(), {"content-type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise ValueError(f"{path} answered {answer.status}: {content[:200]!r}")
    found: dict[str, str] = json.loads(content)
    return found


def report_failure(port: int, device: str, bundle: str) -> None:
    """The device was offered the bundle, and its updater says that it did not come up."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    assert bundle == post(connection, "/ota/updates", said(device))["version"]
    stamp = round(1000 * time.time())
    report = {**said(device), "version_name": bundle, "action": "update_fail", "timestamp": stamp}
    post(connection, "/ota/stats", [report])
    connection.close()


@pytest.fixture
def going(app: Shipway) -> Shipway:  # noqa: F811
    """The app, whose updates have two tasks, and whose bundles stay for hours at a step."""
    app.description["environments"]["dev"]["tasks"] = {"min": 2, "max": 2}
    app.description["services"]["app-updates"]["idempotent"] = True
    rollout = app.description["apps"]["phone"]["rollout"]
    rollout |= {"step_wait": "4h", "guard": {"min_devices_to_fail": FEWEST}}
    app.commit("hours at a step")
    return app


def test_an_offer_ends_soon_and_kills_cost_no_request(going: Shipway, phones: Phones) -> None:  # noqa: F811
    """At a hundred check-ins a second: within two seconds of the report that settles it no device is offered it.

    Then it is tried once more, and daemon and tasks are killed, the daemon right after the report that settles it: no
    request fails, no device is offered what it should not be, and a new daemon ends the offer.
    """
    going.run("deploy", "--env", "dev", timeout=600)
    bundle, port = bundle_of(going, "r1"), going.ports["dev"]
    load, names = Load(port), (f"bad-{n}" for n in itertools.count() if is_within(f"bad-{n}", SHARE))
    with load.running():
        wait_for(lambda: [version for _, version in load.since(0)[-20:]] == [bundle] * 20, seconds=60)
        for _ in range(FEWEST - 1):
            report_failure(port, next(names), bundle)
        # Looked at, and not enough: the next report is the one that settles it.
        wait_for(lambda: f"{FEWEST - 1} of {FEWEST - 1} devices" in candidate(going)["verdict"], seconds=30)
        began = time.monotonic()
        report_failure(port, next(names), bundle)
        settled = time.monotonic()
        wait_for(lambda: any(version is None for _, version in load.since(settled)), seconds=30)
        first = next(at for at, version in load.since(settled) if version is None)
        rate = len(load.since(began - 5)) / (time.monotonic() - began + 5)
        print(f"not offered any more {first - settled:.2f} s after the report, at {rate:.0f} check-ins a second")
        assert first - settled <= SOON

        going.run("app", "split", f"{bundle}={SHARE}%", "--env", "dev", "--yes")
        wait_for(lambda: [version for _, version in load.since(0)[-20:]] == [bundle] * 20, seconds=60)
        for _ in range(FEWEST):
            report_failure(port, next(names), bundle)
        going.kill_daemon()
        for task in updates(going):
            os.kill(task.pid, signal.SIGKILL)
            going.up()  # while it is away nobody starts a task anew
            wait_for(
                lambda gone=task.pid: gone not in (found := [one.pid for one in updates(going)]) and len(found) == 2
            )
            wait_for(lambda: all(one["ready"] == 2 for one in going.environment("dev")["services"]), seconds=60)
        wait_for(lambda: [version for _, version in load.since(0)[-20:]] == [None] * 20, seconds=60)
    assert [] == load.failures
    assert {bundle, None} == {version for _, version in load.offered}
    assert [bundle] == [one["version"] for one in going.environment("dev")["app"]["taken_back"]]


def candidate(app: Shipway) -> dict[str, str]:  # noqa: F811
    found: dict[str, str] = app.json("app", "show", "--env", "dev")["candidate"]
    return found


def updates(app: Shipway) -> list[psutil.Process]:  # noqa: F811
    """The processes of the service that answers devices."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        inside = (process.info["cwd"] or "").startswith(str(app.root))
        if inside and "app_updates" in (process.info["cmdline"] or []):
            found.append(process)
    return found
