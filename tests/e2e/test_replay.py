"""Two months played against a small app through the real router, store and monitor, the daemon killed on the way."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Shipway
from tests.e2e.model_app import publish

pytestmark = [pytest.mark.e2e, pytest.mark.lengthy]

SERVICE = """
import http.server, json, os, pathlib, signal, threading, time, urllib.parse, uuid

bucket = pathlib.Path(urllib.parse.urlsplit(os.environ["CAPTURE"]).path)
endpoint, lock = os.environ["ENDPOINT_NAME"], threading.Lock()

def keep(folder, line):
    place = bucket / folder / time.strftime("%Y/%m/%d/%H", time.gmtime())
    with lock:
        place.mkdir(parents=True, exist_ok=True)
        with (place / f"{os.getpid()}.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\\n")

def guess(asked):
    id, prediction = str(uuid.uuid4()), asked["x"] / 10
    texts = {"endpointInput": {"instances": [asked]}, "endpointOutput": {"predictions": [prediction]}}
    data = {name: {"data": json.dumps(text), "encoding": "JSON"} for name, text in texts.items()}
    event = {"eventId": id, "inferenceTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    keep(f"{endpoint}/v1-0", {"captureData": data, "eventMetadata": event})
    return {"id": id, "prediction": prediction}

def tell(id, told):
    truth = {"data": str(told["came"]), "encoding": "CSV"}
    keep(f"ground-truth/{endpoint}", {"groundTruthData": truth, "eventMetadata": {"eventId": id}})
    return {}

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer({"model_version": "v1.0"})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.answer(guess(body) if self.path == "/guess" else tell(self.path.split("/")[2], body))

    def answer(self, found):
        content = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
"""
PAST = """
import argparse, json, pathlib

parser = argparse.ArgumentParser()
for name in ("from", "to", "sample", "folder"):
    parser.add_argument(f"--{name}", dest=f"given_{name}")
given = parser.parse_args()
for number, month in enumerate(("2020-02", "2020-03")):
    if month < given.given_from:
        continue
    (pathlib.Path(given.given_folder) / f"{month}.csv").write_text(month)
    for n in range(150):
        if n % 10 == 0:
            at = f"{month}-{n // 10 + 1:02}T00:00:00Z"
            print(json.dumps({"event": "records", "at": at, "group": "scale", "records": [{"scale": "a", "at": at}]}))
        print(json.dumps({"event": "request", "id": f"{month}-{n}", "device": f"d-{n % 7}", "body": {"x": n % 10}}))
    for n in range(150):
        came = int(n % 10 > 5)
        told = {"event": "outcome", "id": f"{month}-{n}", "body": {"came": came}, "label": came}
        print(json.dumps(told))
    print(json.dumps({"event": "upload", "month": month, "table": "parcels", "file": f"{month}.csv"}))
    print(json.dumps({"event": "month", "month": month}))
"""
WORDS = ("replay", "--from", "2020-02", "--to", "2020-03", "--yes")


@pytest.fixture
def guessing(shipway: Shipway) -> Shipway:
    """An app that guesses, captures and takes labels; prod serves its model."""
    (shipway.root / "hello" / "app.py").write_text(SERVICE)
    (shipway.root / "past").mkdir()
    (shipway.root / "past" / "past.py").write_text(PAST)
    (shipway.root / "past" / "requirements.lock").write_text("")
    shipway.description["services"]["hello"] |= {
        "model": True,
        "ready": "/ready",
        "env": {"CAPTURE": "file://{buckets}/monitoring-bucket", "ENDPOINT_NAME": "hello-{environment}"},
    }
    shipway.description["model"] = {
        "name": "number",
        "monitor": {"min_rows": 100, "triggers": ["probability"]},
        "training": {"path": "past", "tables": ["parcels"]},
        "replay": {"path": "past", "command": "python past.py", "ask": "/guess", "tell": "/guesses/{id}/came"},
    }
    shipway.description["features"] = {
        "scale": {"record_id": "scale", "event_time": "at", "types": {"scale": "String", "at": "String"}}
    }
    prod = shipway.description["environments"].pop("prod")
    del prod["after"], prod["approval"]
    shipway.description["environments"] = {"prod": prod}
    shipway.commit("guess")
    shipway.up()
    publish(shipway, 0.3, "v1.0")
    _hold_out(shipway.root / ".shipway" / "ml-models-bucket" / "v1.0")
    shipway.run("model", "promote", "v1.0", "--why", "first")
    assert "succeeded" == shipway.deploy()["status"]
    return shipway


def _hold_out(version: Path) -> None:
    rows = b"x,prediction,label\n" + b"".join(b"%d,%.1f,%d\n" % (n % 10, n % 10 / 10, n % 10 > 5) for n in range(500))
    (version / "holdout.csv").write_bytes(rows)
    metadata = json.loads((version / "metadata.json").read_text())
    metadata["files"]["holdout.csv"] = {"sha256": hashlib.sha256(rows).hexdigest(), "bytes": len(rows)}
    metadata["holdout"] = {"file": "holdout.csv", "rows": 500}
    (version / "metadata.json").write_text(json.dumps(metadata))


def test_months_are_played_through_a_killed_daemon(guessing: Shipway) -> None:
    """No request fails, every outcome becomes a label, each month is looked at whole; the bucket has both months."""
    played = _play_and_kill(guessing)
    assert (300, 0, 300, 30) == tuple(played[name] for name in ("requests", "failed", "outcomes", "records"))
    assert [("2020-02", "quiet", 150), ("2020-03", "quiet", 150)] == [
        (month["month"], month["verdict"], month["labels"]) for month in played["months"]
    ]
    assert [1.0, 1.0] == [month["auc"] for month in played["months"]]
    seen = guessing.json("monitor", "report", "prod")["seen"]
    assert (150, 150) == (seen["rows"], seen["labelled"])
    data = guessing.root / ".shipway" / "training-data-bucket" / "parcels"
    assert ["2020-02", "2020-03"] == sorted(path.name for path in data.iterdir())
    row = guessing.run("audit").stdout
    assert "make baseline" in row


def _play_and_kill(shipway: Shipway) -> Any:
    """What `shipway replay --json` printed; the daemon is killed when the first month was sent, and started again."""
    process = subprocess.Popen(
        [sys.executable, "-m", "shipway", *WORDS, "--json"], cwd=shipway.root, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    said: list[str] = []

    def listen() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            said.append(line)
            if "$ shipway monitor run" in line and len([one for one in said if "monitor run" in one]) == 1:
                shipway.kill_daemon()
                shipway.up()

    listener = threading.Thread(target=listen)
    listener.start()
    assert process.stdout is not None
    printed = process.stdout.read()
    code = process.wait(timeout=60)
    listener.join()
    assert 0 == code, "".join(said)
    return json.loads(printed)
