"""What clients suffer, noticed: in the status of what serves, and by a rollout while requests still hang."""

from __future__ import annotations

import re
import threading
import urllib.request
from contextlib import suppress

import pytest

from tests.e2e.conftest import Shipway
from tests.waiting import wait_for

pytestmark = pytest.mark.e2e
PATIENCE = 1.5


def test_failing_and_hanging_requests_are_noticed(shipway: Shipway) -> None:
    """A first release that fails its clients is shown as such; a fix that hangs half of them is taken back in seconds."""
    rollout = {"strategy": "canary", "steps": [50], "step_wait": 1, "bake": 1, "guard": {"max_latency": PATIENCE}}
    shipway.description["environments"]["prod"]["rollout"] = rollout
    works_for_health_alone = '(200, "well") if path == "/health" else (500, "broken")'
    shipway.behave(f"return {works_for_health_alone}", "fail every client")
    shipway.up()
    assert "succeeded" == shipway.release()["status"]
    for _ in range(20):
        with suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{shipway.ports['prod']}/", timeout=30)
    text = shipway.run("status").stdout
    assert "✘ prod FAILS ITS CLIENTS: 20 of 20 requests failed (100 %)" in text
    assert "GET / 500" in text
    clients = shipway.environment("prod")["clients"]
    assert (20, 20, True) == (clients["requests"], clients["errors"], clients["failing"])

    shipway.answer_with("hello", "serve them")
    assert "succeeded" == shipway.release()["status"]
    assert not shipway.environment("prod")["clients"]["failing"]
    hangs = """
    global count
    count = globals().get("count", 0) + (path == "/")
    if path == "/" and count % 2:
        threading.Event().wait(4)
    return 200, "late"
    """
    shipway.behave(hangs, "hang half of the requests")
    run = shipway.deploy()
    stop = threading.Event()

    def ask() -> None:
        with suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{shipway.ports['prod']}/", timeout=30)

    def clients_come() -> None:
        while not stop.wait(0.03):
            threading.Thread(target=ask, daemon=True).start()

    threading.Thread(target=clients_come, daemon=True).start()
    try:
        done = shipway.run("approve", run["id"], "--why", "test", "--yes", expect=4)
    finally:
        stop.set()
    # On a slow machine the look comes once they have been answered, or the other half is as slow.
    patience = f"{PATIENCE * 1000:.0f} ms"
    assert re.search(f"no answer within {patience}|95th percentile .*allowed {patience}", done.stdout + done.stderr)
    wait_for(lambda: "r2" == shipway.environment("prod")["release"])
