"""What a task of the model service weighs after many requests and many swaps: neither may make it grow."""

from __future__ import annotations

import csv
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.figures import Effort, Figure, Tell
from benchmarks.serving.environments import environment
from benchmarks.serving.load import need_wrk
from benchmarks.serving.servers import Launch, Server, clean_environment
from benchmarks.throwaway import CHECKOUT
from shipway.core.errors import ShipwayError
from shipway.demo.commands import must
from shipway.local.tasks.task_ports import free_port

_REQUESTS = {
    "quick": (20_000, 50_000, 100_000),
    "normal": (100_000, 500_000, 1_000_000),
    "full": (100_000, 500_000, 1_000_000),
}
_SWAPS = {"quick": 15, "normal": 100, "full": 100}
_VERSIONS = {"v1.0": 40, "v1.1": 80, "v1.2": 120}
_GROWTH, _SWAP_GROWTH = 5.0, 10.0
_CONNECTIONS = 16
_SLICE = 30
_SWAP_TIMEOUT = 20.0
_SCRIPT = Path(__file__).with_suffix(".lua")
_MB = 1e6


def measure(effort: Effort, tell: Tell) -> Iterator[Figure]:
    """One task on Ontime's model; first the requests, one in five wrong, then the swaps."""
    need_wrk()
    with tempfile.TemporaryDirectory(prefix="shipway-memory-") as folder:
        bucket = Path(folder) / "ml-models-bucket"
        python = _publish(bucket, Path(folder), tell)
        requests = Path(folder) / "requests"
        requests.write_text("\n".join(f"{kind}\t{body}" for kind, body in _mix(bucket / "v1.0")) + "\n")
        with _task(bucket, python, Path(folder)) as task:
            yield from _requests(task, requests, _REQUESTS[effort], tell)
            yield from _swaps(task, bucket, _SWAPS[effort], tell)


def _requests(task: Server, requests: Path, counts: Sequence[int], tell: Tell) -> Iterator[Figure]:
    weights: list[float] = []
    sent = refused = 0
    seconds = 1
    for count in counts:
        while sent < count:
            summary = _load(task, requests, seconds)
            sent += summary["requests"]
            refused += summary["refused"]
            # as long as it takes at this rate, so that little is sent too much
            seconds = max(1, min(_SLICE, (count - sent) * seconds // summary["requests"]))
        weights.append(_weight(task))
        tell(f"{sent:,} requests, {refused:,} of them refused: {weights[-1] / _MB:.1f} MB")
        yield Figure(f"resident after {count:,} requests", (weights[-1] / _MB,), "MB")
    what = f"growth from {counts[0]:,} to {counts[-1]:,} requests"
    note = f"{refused:,} of them wrong, and refused"
    yield Figure(what, (_percent(weights[0], weights[-1]),), "%", _GROWTH, note=note)


def _swaps(task: Server, bucket: Path, count: int, tell: Tell) -> Iterator[Figure]:
    names = list(_VERSIONS)
    weights: list[float] = []
    for number in range(count):
        version = names[(number + 1) % len(names)]
        _swap(task, bucket, version)
        weights.append(_weight(task))
    # two versions stay in memory, so it is full after the first round
    first = weights[len(names) - 1]
    tell(f"{count} swaps: {first / _MB:.1f} MB after {len(names)}, {weights[-1] / _MB:.1f} MB at the end")
    yield Figure(f"resident after {len(names)} swaps", (first / _MB,), "MB")
    yield Figure(f"resident after {count} swaps", (weights[-1] / _MB,), "MB", note=f"at most {max(weights) / _MB:.1f}")
    what = f"growth from {len(names)} to {count} swaps"
    yield Figure(what, (_percent(first, weights[-1]),), "%", _SWAP_GROWTH, note="three versions take turns")


def _load(task: Server, requests: Path, seconds: int) -> dict[str, int]:
    command = ["wrk", "-t1", f"-c{_CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s", "-s", str(_SCRIPT)]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{task.port}", "--", str(requests)],
        capture_output=True, text=True, timeout=seconds + 60, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise ShipwayError(f"wrk ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}")
    summary: dict[str, int] = json.loads(done.stdout.strip().splitlines()[-1])
    if summary["broken"] or not 0 < summary["refused"] < summary["requests"]:
        raise ShipwayError(f"the answers count for nothing: {summary}", state=task.last_words())
    return summary


def _swap(task: Server, bucket: Path, version: str) -> None:
    beside = bucket / ".latest"
    beside.write_text(version)
    beside.replace(bucket / "latest")
    deadline = time.monotonic() + _SWAP_TIMEOUT
    while time.monotonic() < deadline:
        _, body = task.ask("/ready", None)
        if json.loads(body).get("model_version") == version:
            return
        time.sleep(0.02)
    raise ShipwayError(f"{version} was not served within {_SWAP_TIMEOUT:.0f} s", state=task.last_words())


def _weight(task: Server) -> float:
    """Resident bytes of its processes."""
    return float(sum(process.memory_info().rss for process in task.processes()))


def _percent(before: float, after: float) -> float:
    return (after / before - 1) * 100


@contextmanager
def _task(bucket: Path, python: Path, folder: Path) -> Iterator[Server]:
    port = free_port()
    part = CHECKOUT / "ml-model-service"
    variables = clean_environment(
        folder, python, PYTHONPATH=str(part / "src"), PORT=str(port), MODEL_BUCKET=str(bucket)
    )  # fmt: skip
    launch = Launch([str(python), "-m", "ml_model_service", "--host", "127.0.0.1"], part, variables)
    task = Server("ml-model-service", port, launch, folder / "task.log")
    try:
        task.wait_until_answering("/ready")
        yield task
    finally:
        task.stop()


def _publish(bucket: Path, folder: Path, tell: Tell) -> Path:
    """Train the versions into the bucket; answers the model service's interpreter."""
    training = CHECKOUT / "training"
    trainer = environment(training / "requirements.lock", tell)
    python = environment(CHECKOUT / "ml-model-service" / "requirements.lock", tell)
    source = {"PYTHONPATH": str(training / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    for version, rounds in _VERSIONS.items():
        tell(f"training {version}")
        output = bucket / version
        command = [str(trainer), "-m", "training", "--output", str(output), "--rounds", str(rounds)]
        must([*command, "--author", "benchmark"], folder, source)
        described = json.loads((output / "metadata.json").read_text())
        (output / "metadata.json").write_text(json.dumps(described | {"version": version}))
    (bucket / "latest").write_text(f"{next(iter(_VERSIONS))}\n")
    return python


def _mix(version: Path) -> list[tuple[str, str]]:
    """Content type and body of each request: of ten, six have one row, one has twenty, one is CSV, two are wrong."""
    described: dict[str, Any] = json.loads((version / "metadata.json").read_text())
    features = described["feature_schema"]["features"]
    with (version / described["holdout"]["file"]).open(newline="") as file:
        _, *lines = csv.reader(file)
    rows = [_instance(features, line) for line in lines[:2000]]
    wrong = [
        "{", "", "[]", '{"instances": []}', '{"instances": [{}]}', '{"instances": [1e999]}', "\\u0000",
        json.dumps({"instances": [rows[0] | {features[0]["name"]: {"deep": [1] * 50}}]}),
        json.dumps({"instances": [rows[0] | {f"unknown-{number}": number for number in range(50)}]}),
        json.dumps({"instances": [*rows[:20], {}]}),
    ]  # fmt: skip
    mixed: list[tuple[str, str]] = []
    for turn in range(60):
        some = rows[turn * 30 : turn * 30 + 30]
        mixed += [("application/json", json.dumps({"instances": [row]})) for row in some[:6]]
        mixed.append(("application/json", json.dumps({"instances": some[6:26]})))
        mixed.append(("text/csv", ",".join(lines[turn][: len(features)])))
        mixed.append(("application/json", wrong[turn % len(wrong)]))
        mixed.append(("text/plain" if turn % 2 else "application/x-npy", f"neither this {turn}"))
    return mixed


def _instance(features: Sequence[Mapping[str, Any]], line: Sequence[str]) -> dict[str, Any]:
    pairs = zip(features, line, strict=False)
    return {
        feature["name"]: None if text == "" else float(text) if feature["type"] == "number" else text
        for feature, text in pairs
    }
