"""`POST /api/predict` through everything: Shipway's router, backend and model service, and the same job done by hand."""

from __future__ import annotations

import http.client
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from benchmarks.figures import Effort, Figure, Tell
from benchmarks.serving.by_hand import by_hand, find_nginx
from benchmarks.serving.load import Invalid, Sample, load
from benchmarks.serving.servers import settle
from benchmarks.throwaway import CHECKOUT, ontime
from shipway.demo.sandbox import Stage

PATH = "/api/predict"
TIMES = 5.0
CONNECTIONS = (8, 64)
TOLERANCE = 1e-9
_ROUNDS = {"quick": 2, "normal": 5, "full": 9}
_SECONDS = {"quick": 2, "normal": 3, "full": 5}
_FLIGHTS = 100


@dataclass(frozen=True, slots=True)
class Face:
    """Where one of them answers, and the processes behind it."""

    title: str
    port: int
    processes: Sequence[psutil.Process]


def measure(effort: Effort, folder: Path, tell: Tell) -> Iterator[Figure]:
    """One task of each service on both sides; as one more row, ours with as many tasks as prod has."""
    find_nginx()
    folder.mkdir(parents=True)
    bodies = folder / "flights.jsonl"
    bodies.write_text("".join(f"{json.dumps(flight, separators=(',', ':'))}\n" for flight in _flights()))
    probe = bodies.read_bytes().splitlines()[0]
    with ontime({"v1.0": 200}) as (stage, _), by_hand(folder, stage.models / "v1.0", probe, tell) as servers:
        run = stage.shipway("deploy").answer()["run"]
        stage.shipway("approve", run["id"], "--yes", "--why", "benchmark").answer()
        theirs = Face("by hand", servers[0].port, [p for server in servers for p in server.processes()])
        ours = [
            Face(f"Shipway, {environment}'s tasks", _port(stage, environment), _processes(stage.folder))
            for environment in ("dev", "prod")
        ]
        _compare(theirs, [*ours], bodies)
        tell("dev, prod and what was put together by hand predict the same")
        for connections in CONNECTIONS:
            yield from _figures(effort, theirs, ours, bodies, connections, tell)


def _figures(
    effort: Effort, theirs: Face, ours: Sequence[Face], bodies: Path, connections: int, tell: Tell
) -> Iterator[Figure]:
    faces = [theirs, *ours]
    samples: dict[str, list[Sample]] = {face.title: [] for face in faces}
    for number in range(_ROUNDS[effort] + 1):
        for face in faces:
            sample = load(face.port, PATH, bodies, connections, _SECONDS[effort], face.processes)
            settle(face.processes)
            # The first round warms up.
            if number:
                samples[face.title].append(sample)
    kind = f"{connections} connections"
    for title, found in samples.items():
        p50, p99, cpu = (sorted(getattr(s, what) for s in found)[len(found) // 2] for what in ("p50", "p99", "cpu"))
        note = f"p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms, CPU {cpu * 1e6:,.0f} µs a request"
        yield Figure(f"{kind}: {title}", tuple(sample.rate for sample in found), "/s", note=note)
    tell(f"{kind}: " + ", ".join(f"{title} {found[-1].rate:,.0f}/s" for title, found in samples.items()))
    for face, budget in zip(ours, (TIMES, None), strict=True):
        pairs = zip(samples[face.title], samples[theirs.title], strict=True)
        ratios = tuple(mine.rate / other.rate for mine, other in pairs)
        yield Figure(f"{kind}: {face.title} ÷ by hand", ratios, "×", budget, at_least=True)


def _compare(theirs: Face, ours: Sequence[Face], bodies: Path) -> None:
    """Everyone's answers to every flight. Raises Invalid when they differ."""
    for body in bodies.read_bytes().splitlines():
        expected = _probability(theirs.port, body)
        for face in ours:
            found = _probability(face.port, body)
            if abs(found - expected) > TOLERANCE:
                raise Invalid(
                    f"{face.title} predicts {found} where {theirs.title} predicts {expected}: {body.decode()}"
                )


def _probability(port: int, body: bytes) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", PATH, body, {"content-type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise Invalid(f"port {port} answered {answer.status}: {text[:300].decode(errors='replace')}")
    return float(json.loads(text)["probability"])


def _flights() -> Iterator[dict[str, str]]:
    reference = json.loads((CHECKOUT / "backend-api/src/backend_api/data/reference.json").read_text())
    draw = random.Random(2013)
    for route in draw.sample(sorted(reference["routes"]), _FLIGHTS):
        origin, destination = route.split("-")
        moment = (
            f"2013-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}T{draw.randint(6, 21):02}:{draw.randint(0, 59):02}"
        )
        carrier = draw.choice(sorted(reference["carriers"]))
        yield {"origin": origin, "destination": destination, "carrier": carrier, "departure": moment}


def _port(stage: Stage, environment: str) -> int:
    port = urlsplit(stage.url(environment)).port
    assert port is not None
    return port


def _processes(folder: Path) -> list[psutil.Process]:
    """Whatever works in a throwaway folder: router, tasks, daemon."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        about = [*(process.info["cmdline"] or []), process.info["cwd"] or ""]
        if any(str(folder) in word for word in about):
            found.append(process)
    return found
