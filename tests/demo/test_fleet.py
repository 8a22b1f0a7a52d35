"""Simulated devices: each in its turn, what became of each bundle, and each failed request."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from shipway.demo.device import Ask, boots
from shipway.demo.exchange import Answer
from shipway.demo.fleet import Fleet
from shipway.demo.story import FleetPolicy

GOOD, BAD = "1.0.0-aaaaaaaaaaaa", "1.0.0-bbbbbbbbbbbb"
NOTHING = {"kind": "up_to_date"}


class Updates:
    """Offers one bundle to all; its pages name a script, which is not in `BAD`."""

    def __init__(self) -> None:
        self.offers: str | None = GOOD
        self.stats: list[tuple[str, str]] = []
        self.status = 200

    def ask(self, method: str, path: str, body: bytes | None) -> Answer:
        if method == "GET":
            return Answer(200, {}, path.encode())
        said = json.loads(body or b"null")
        if path == "/ota/stats":
            self.stats += [(one["action"], one["version_name"]) for one in said]
        found = NOTHING if self.offers is None else {"version": self.offers, "url": f"http://x/{self.offers}"}
        return Answer(self.status, {}, json.dumps(found).encode())


@contextmanager
def fleet(ask: Ask) -> Iterator[Fleet]:
    found = Fleet(ask, FleetPolicy(devices=12, rate=400), None, ("1.0.0", "1"), "first")
    try:
        yield found
    finally:
        found.end()
    assert [] == [thread.name for thread in threading.enumerate() if thread.name.startswith("devices-")]


@pytest.fixture
def updates(monkeypatch: pytest.MonkeyPatch) -> Updates:
    """What is delivered is taken for what was signed, so that a page is looked at without a key."""
    page = {"index.html": b'<script src="app.js">', "app.js": b""}

    def opened(answer: dict[str, str], _content: bytes, _key: str | None) -> dict[str, bytes]:
        return page if answer["version"] == GOOD else {"index.html": page["index.html"]}

    monkeypatch.setattr("shipway.demo.device.opened", opened)
    monkeypatch.setattr("shipway.demo.fleet._BACK_SOON", 0.01)
    return Updates()


def test_a_good_bundle_comes_to_every_device(updates: Updates) -> None:
    """Each runs it once it was opened again, and only then; their requests count to the step."""
    with fleet(updates.ask) as devices:
        devices.wait_for("it", lambda: devices.running(GOOD) == 12, 20)
        devices.step = "second"
        since = time.monotonic()
        devices.wait_for("calls", lambda: devices.is_settled(since), 20)
    assert {f"phone-{n}" for n in range(12)} == set(devices.reach(GOOD).ran)
    assert devices.reach(GOOD).first_failed is None
    assert devices.sent["first"] >= 12 * 3
    assert devices.sent["second"] >= 12
    assert not devices.failed


def test_a_bundle_that_cannot_start_stays_on_no_device(updates: Updates) -> None:
    """Each goes back by itself, tells it, and does not take it again."""
    with fleet(updates.ask) as devices:
        devices.wait_for("it", lambda: devices.running(GOOD) == 12, 20)
        updates.offers = BAD
        devices.wait_for("failures", lambda: len(devices.reach(BAD).ran) == 12, 20)
        since = time.monotonic()
        devices.wait_for("calls", lambda: devices.is_settled(since), 20)
    reach = devices.reach(BAD)
    assert (0, 12, 12) == (devices.running(BAD), devices.running(GOOD), updates.stats.count(("update_fail", BAD)))
    assert reach.first_failed is not None
    assert reach.first_failed <= reach.last_offered


def test_failed_requests_are_counted(updates: Updates) -> None:
    """By the step in which they were sent, with an example; a device goes on calling."""
    updates.status = 503
    with fleet(updates.ask) as devices:
        devices.wait_for("calls", lambda: devices.opened > 24, 20)
    assert devices.failed["first"] == devices.sent["first"] > 24
    assert "POST /ota/updates answered 503" == devices.examples["first"]


@pytest.mark.parametrize(
    ("files", "comes_up"),
    [
        ({"index.html": b"<p>"}, True),
        ({"app.js": b""}, False),
        ({"index.html": b'<script type="module" src="./a/b.js">', "a/b.js": b""}, True),
        ({"index.html": b"<script src='a.js'></script><script src='b.js'></script>", "a.js": b""}, False),
        ({"index.html": b'<script src="https://example.org/x.js">'}, True),
    ],
)
def test_a_page_comes_up_where_its_scripts_are(files: dict[str, bytes], comes_up: bool) -> None:
    """Those of the bundle itself; others are not looked for."""
    assert comes_up == boots(files)
