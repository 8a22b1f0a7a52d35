"""What the router costs: a task asked directly, through a bare HAProxy, and through Shipway's router."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.bare_haproxy import BareHAProxy
from benchmarks.figures import Effort, Figure, Tell
from benchmarks.throwaway import Hello, hello
from shipway.core.errors import ShipwayError

CONNECTIONS = 16
TIMES_BARE = 3.0
"""CPU per request, as a multiple of a bare HAProxy's."""
_ROUNDS = {"quick": 1, "normal": 5, "full": 9}
_SECONDS = {"quick": 2, "normal": 4, "full": 8}


@dataclass(frozen=True, slots=True)
class Round:
    """One load: requests a second, and the microseconds of CPU that the router in between took for each."""

    rate: float
    cost: float


def measure(effort: Effort, tell: Tell) -> Iterator[Figure]:
    """Kept connections, small GETs, by wrk. Client, router and task share the machine, so rates are no capacity."""
    if shutil.which("wrk") is None:
        tell("skipped: wrk is not installed (Debian: apt install wrk)")
        return
    seen: dict[str, list[Round]] = {"direct": [], "bare": [], "shipway": []}
    with hello(tasks=1) as app, tempfile.TemporaryDirectory() as folder:
        task = _task_port(app)
        bare = BareHAProxy(Path(folder), [task])
        try:
            shipway = _haproxy_of(app)
            seconds = _SECONDS[effort]
            # In turns, so that what else the machine does meets all of them alike.
            for number in range(_ROUNDS[effort]):
                seen["direct"].append(_load(f"http://127.0.0.1:{task}/", seconds, []))
                workers = psutil.Process(bare.pid).children(recursive=True)
                seen["bare"].append(_load(f"http://127.0.0.1:{bare.port}/", seconds, workers))
                seen["shipway"].append(_load(f"{app.url}/", seconds, shipway))
                last = {name: f"{rounds[-1].rate:,.0f}/s {rounds[-1].cost:.0f} µs" for name, rounds in seen.items()}
                tell(f"{number + 1}/{_ROUNDS[effort]} {last}")
        finally:
            bare.stop()
    for name, rounds in seen.items():
        yield Figure(f"requests a second, {name}", tuple(r.rate for r in rounds), "/s")
    for name in ("bare", "shipway"):
        yield Figure(f"CPU of HAProxy a request, {name}", tuple(r.cost for r in seen[name]), "µs")
    ratios = tuple(ours.cost / theirs.cost for ours, theirs in zip(seen["shipway"], seen["bare"], strict=True))
    note = "routes, cohorts, request ids, release headers, access log"
    yield Figure("CPU a request, Shipway's router against a bare HAProxy", ratios, "×", TIMES_BARE, note=note)


def _load(url: str, seconds: int, router: list[psutil.Process]) -> Round:
    before = _cpu(router)
    done = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", url], capture_output=True, text=True, timeout=60, check=True
    )
    used = _cpu(router) - before
    total = re.search(r"(\d+) requests in ([\d.]+)s", done.stdout)
    if total is None or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise ShipwayError(f"wrk on {url} saw errors", state=done.stdout)
    return Round(int(total[1]) / float(total[2]), used / int(total[1]) * 1e6)


def _cpu(processes: list[psutil.Process]) -> float:
    """Seconds of CPU so far."""
    times = [process.cpu_times() for process in processes]
    return sum(float(t.user + t.system) for t in times)


def _task_port(app: Hello) -> int:
    (file,) = (app.stage.app / ".shipway" / "tasks").glob("*.json")
    return int(json.loads(file.read_text())["spec"]["port"])


def _haproxy_of(app: Hello) -> list[psutil.Process]:
    """The processes of the app's own router: they work on its file."""
    folder = str(app.stage.app)
    found = [
        process
        for process in psutil.process_iter(["cmdline"])
        if "haproxy" in (process.info["cmdline"] or [""])[0] and any(folder in word for word in process.info["cmdline"])
    ]
    if not found:
        raise ShipwayError("the app's router does not run")
    return found
