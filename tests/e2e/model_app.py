"""An app whose one service predicts: its model is a number in a file, its service the standard library."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from tests.e2e.conftest import Shipway

SERVICE = '''
import hashlib, http.server, json, os, pathlib, signal, threading, urllib.parse
from collections import Counter

counting = threading.Lock()
loaded, counts = None, Counter()

def current():
    """The model to serve: what the parameter names, or what is baked in. Counting begins anew with another one."""
    global loaded, counts
    if "MODEL_VERSION_PARAMETER" in os.environ:
        uri = urllib.parse.urlsplit(os.environ["MODEL_VERSION_PARAMETER"])
        folder = pathlib.Path(os.environ["MODEL_BUCKET"]) / pathlib.Path(uri.path).read_text().strip()
    else:
        folder = pathlib.Path(os.environ["MODEL_BAKED"])
    metadata = json.loads((folder / "metadata.json").read_bytes())
    number = float((folder / metadata["model_file"]).read_text())
    found = metadata["version"], number, metadata["feature_schema_digest"]
    with counting:
        if found != loaded:
            loaded, counts = found, Counter()
    return found

def predict(device):
    """Around the model's number, by the device: the same device always gets the same."""
    spread = int(hashlib.sha256(device.encode()).hexdigest()[:4], 16) / 65536
    prediction = round(current()[1] + 0.1 * spread, 2)
    with counting:
        counts[prediction] += 1
    return prediction

def variants():
    with counting:
        buckets = [[value, value + 0.01, count] for value, count in sorted(counts.items())]
        total = sum(counts.values())
        sketch = {"count": total, "sum": sum(v * n for v, n in counts.items()), "buckets": buckets}
    variant = {"name": "v", "version": loaded[0], "percent": 100.0, "predictions": sketch}
    return {"epoch": f"{os.getpid()} {loaded[0]}", "since": 0, "variants": [variant], "shadow": None}

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        version, _, schema = current()
        answers = {"/ready": lambda: {"status": "ready", "model_version": version}, "/variants": variants}
        device = self.headers["x-device-id"] or ""
        predicted = lambda: {"model_version": version, "request_schema": schema, "prediction": predict(device)}
        found = answers.get(self.path, predicted)()
        body = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

current()
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
'''
SCHEMA = {"features": [{"name": "x", "type": "number", "nullable": True}], "output": {"name": "probability"}}


def predicting(shipway: Shipway, **service: Any) -> None:
    """Make the app one that predicts, with prod alone; keywords say how its service gets the model."""
    (shipway.root / "hello" / "app.py").write_text(SERVICE)
    shipway.description["services"]["hello"] |= {"ready": "/ready", **service}
    shipway.description["model"] = {"name": "number", "quality": {"min_predictions": 60}}
    prod = shipway.description["environments"].pop("prod")
    del prod["after"], prod["approval"]
    prod["rollout"] = {"strategy": "canary", "steps": [50], "step_wait": 0.2, "bake": 0.2}
    shipway.description["environments"] = {"prod": prod}
    shipway.commit("predict")
    shipway.up()


def publish(shipway: Shipway, number: float, version: str, schema: dict[str, Any] = SCHEMA) -> None:
    """Lay a model that predicts around a number into the bucket, as publishing does: no real server would load it."""
    folder = shipway.root / ".shipway" / "ml-models-bucket" / version
    folder.mkdir(parents=True)
    model = str(number).encode()
    (folder / "model.txt").write_bytes(model)
    digest = hashlib.sha256(json.dumps(schema, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    metadata = {
        "name": "number", "version": version, "trained_at": "2026-11-23T06:00:00Z", "dataset_version": "sha256:" + "0" * 64,
        "author": "ann", "metrics": {"auc": 0.7}, "hyperparameters": {}, "model_file": "model.txt",
        "approval": {"status": "pending", "by": None, "at": None, "why": None},
        "model_format": "lightgbm-text", "files": {"model.txt": {"sha256": hashlib.sha256(model).hexdigest(),
                                                                  "bytes": len(model)}},
        "feature_schema": schema, "feature_schema_digest": f"sha256:{digest}",
        "golden": [{"instance": {feature["name"]: 1 for feature in schema["features"]}, "prediction": number}],
    }  # fmt: skip
    (folder / "metadata.json").write_text(json.dumps(metadata))


def state_of(shipway: Shipway, version: str) -> tuple[str, list[str]]:
    """A version's state and where it serves."""
    return next(
        (model["approval_status"], model["serves"])
        for model in shipway.json("model", "list")["models"]
        if model["version"] == version
    )
