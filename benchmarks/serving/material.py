"""What all servers get: one model, the same rows, and request bodies made of them in each one's protocol."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.figures import Tell
from benchmarks.serving.environments import environment
from benchmarks.throwaway import CHECKOUT
from shipway.demo.commands import must

Protocol = Literal["instances", "v2"]
"""`{"instances": [{feature: value}]}`, or the Open Inference Protocol's one tensor of codes."""

BODIES: Mapping[int, int] = {1: 100, 10: 40, 1000: 4}
"""Rows in a request → how many different requests take turns."""

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Row:
    """A held-out flight: as JSON clients send it, as numbers in schema order, and what the training library predicts."""

    instance: Mapping[str, Any]
    codes: Sequence[float | None]
    prediction: float


@dataclass(frozen=True, slots=True)
class Material:
    """`folder` holds model/{model.txt,metadata.json}, model.onnx, rows.json, train.csv and the bodies."""

    folder: Path
    rows: Sequence[Row]

    def requests(self, count: int) -> list[Sequence[Row]]:
        """The rows of each request with `count` rows."""
        return [self.rows[start : start + count] for start in range(0, BODIES[count] * count, count)]

    def bodies_file(self, protocol: Protocol, count: int) -> Path:
        """The request bodies with `count` rows, one a line."""
        return self.folder / f"{protocol}-{count}.jsonl"


def make(folder: Path, tell: Tell) -> Material:
    """Train Ontime's model, draw the rows, convert for ONNX Runtime. Takes a quarter of a minute. Raises ShipwayError."""
    tell("training the model, drawing rows, converting")
    training = CHECKOUT / "training"
    python = str(environment(training / "requirements.lock", tell))
    source = {"PYTHONPATH": str(training / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    must([python, "-m", "training", "--output", str(folder / "model"), "--author", "benchmark"], folder, source)
    count = max(rows * bodies for rows, bodies in BODIES.items())
    rows_program = str(HERE / "programs" / "rows.py")
    must([python, rows_program, str(folder / "model"), str(folder), str(count)], folder, source)
    converter = str(environment(HERE / "programs" / "requirements.txt", tell))
    must([converter, str(HERE / "programs" / "convert.py"), str(folder / "model"), str(folder)], folder)
    material = Material(folder, [Row(**row) for row in json.loads((folder / "rows.json").read_text())])
    _write_bodies(material)
    return material


def publish(material: Material, bucket: Path) -> Path:
    """Lay the model into a bucket as v1.0; answers the file that names the wanted version."""
    version = bucket / "v1.0"
    version.mkdir(parents=True)
    for file in (material.folder / "model").iterdir():
        if file.name != "metadata.json":
            os.link(file, version / file.name)
    metadata = json.loads((material.folder / "model" / "metadata.json").read_text())
    (version / "metadata.json").write_text(json.dumps(metadata | {"version": version.name}))
    latest = bucket / "latest"
    latest.write_text(f"{version.name}\n")
    return latest


def _write_bodies(material: Material) -> None:
    for count in BODIES:
        for protocol, body in _PROTOCOLS.items():
            lines = [json.dumps(body(rows), separators=(",", ":")) for rows in material.requests(count)]
            material.bodies_file(protocol, count).write_text("\n".join(lines) + "\n")


def _instances(rows: Sequence[Row]) -> Any:
    return {"instances": [row.instance for row in rows]}


def _v2(rows: Sequence[Row]) -> Any:
    shape = [len(rows), len(rows[0].codes)]
    return {"inputs": [{"name": "codes", "shape": shape, "datatype": "FP64", "data": [row.codes for row in rows]}]}


_PROTOCOLS: Mapping[Protocol, Any] = {"instances": _instances, "v2": _v2}
