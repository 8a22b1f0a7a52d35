"""One load on one server, by wrk: how many requests, how late, at what price."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.serving.servers import cpu_seconds
from shipway.core.errors import ShipwayError

_SCRIPT = Path(__file__).parent / "load.lua"


class Invalid(ShipwayError):
    """A server gave answers that count for nothing, so it has no figure."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One load: requests a second, latencies and the server's CPU for a request in seconds. `requests` were answered."""

    requests: int
    rate: float
    p50: float
    p99: float
    cpu: float

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)


def need_wrk() -> None:
    """Raise ShipwayError where the load generator is missing."""
    if shutil.which("wrk") is None:
        raise ShipwayError(
            "wrk is not installed: nothing here can be measured without it",
            fix="install it (Debian: apt-get install wrk; macOS: brew install wrk) and try again",
        )


def load(
    port: int, path: str, bodies: Path, connections: int, seconds: int, processes: Sequence[psutil.Process]
) -> Sample:
    """Kept connections, each with one request under way, taking turns through `bodies`. Raises Invalid."""
    before = cpu_seconds(processes)
    done = subprocess.run(
        [
            *("wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", "-s", str(_SCRIPT)),
            *(f"http://127.0.0.1:{port}", "--", str(bodies), path),
        ],
        capture_output=True, text=True, timeout=seconds + 90, check=False,
    )  # fmt: skip
    used = cpu_seconds(processes) - before
    if done.returncode != 0:
        raise Invalid(f"wrk ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    if found["not_ok"] or found["broken"] or not found["requests"]:
        raise Invalid(
            f"{found['requests']:,} answers within {found['seconds']:.1f} s, of which {found['not_ok']:,} not 2xx; "
            f"{found['broken']:,} broken connections"
        )
    return Sample(
        requests=found["requests"],
        rate=found["requests"] / found["seconds"],
        p50=found["p50"] / 1e6,
        p99=found["p99"] / 1e6,
        cpu=used / found["requests"],
    )
