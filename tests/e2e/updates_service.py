"""A service that answers devices, small: it follows the offer, counts what became of bundles, and tells it.

It runs as a task of a test's app, in whose folder lies a copy of what the platform and such services agree on.
"""

from __future__ import annotations

import http.server
import json
import os
import signal
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

from contract.bundles import BundleCounts, Running, Told, read_offer  # type: ignore[import-not-found]

TABLES = """
CREATE TABLE IF NOT EXISTS device (id TEXT PRIMARY KEY, bundle TEXT, seen REAL);
CREATE TABLE IF NOT EXISTS trial (device TEXT, bundle TEXT, state TEXT, PRIMARY KEY (device, bundle));
"""
PARAMETER = Path(os.environ.get("APP_BUNDLE_PARAMETER", "").removeprefix("file://"))
BUCKET = Path(os.environ.get("APP_BUNDLES_BUCKET", "").removeprefix("file://"))


def database() -> sqlite3.Connection:
    found = sqlite3.connect(os.environ["DATABASE"], timeout=10, isolation_level=None)
    found.execute("PRAGMA journal_mode=WAL")
    return found


def check_in(device: str, bundle: str) -> str:
    """The bundle that the device is to have."""
    version: str = read_offer(PARAMETER.read_bytes()).choices(device)[0]
    with closing(database()) as db:
        db.execute("INSERT OR REPLACE INTO device VALUES (?, ?, ?)", (device, bundle, time.time()))
        if version != bundle:
            db.execute("INSERT OR IGNORE INTO trial VALUES (?, ?, 'offered')", (device, version))
    return version


def tried(device: str, bundle: str, state: str) -> None:
    """A device has started a bundle, or failed to."""
    with closing(database()) as db:
        db.execute("UPDATE trial SET state = ? WHERE device = ? AND bundle = ?", (state, device, bundle))


def told() -> Told:
    with closing(database()) as db:
        trials = db.execute(
            "SELECT bundle, count(*), sum(state = 'started'), sum(state = 'failed') FROM trial GROUP BY 1"
        )
        versions = {
            bundle: BundleCounts(offered, started, failed, started, 0, {"update_fail": failed})
            for bundle, offered, started, failed in trials
        }
        seen = db.execute("SELECT bundle, count(*), max(seen) FROM device GROUP BY 1")
        return Told(versions, {bundle: Running(devices, at) for bundle, devices, at in seen})


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(told().text() if self.path == "/bundles" else "{}")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/ota/updates":
            version = check_in(body["device"], body["bundle"])
            there = version == "builtin" or (BUCKET / version / "bundle.zip").exists()
            self.answer(json.dumps({"version": version, "there": there}))
        else:
            tried(body["device"], body["bundle"], body["state"])
            self.answer("{}")

    def answer(self, text: str) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args: object) -> None:
        pass


if __name__ == "__main__":
    with closing(database()) as db:
        db.executescript(TABLES)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
