"""From a commit of the example to the moment when dev serves it, and where the time goes."""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from benchmarks.figures import Effort, Figure, Tell
from benchmarks.throwaway import ontime
from shipway.demo.sandbox import Stage

BUDGET = 10.0
_TIMES = {"quick": 1, "normal": 4, "full": 10}
_CHANGES = {
    "one line of backend-api": "backend-api/src/backend_api/__init__.py",
    "one line of ml-model-service": "ml-model-service/src/ml_model_service/__init__.py",
    "a document, no service": "docs/notes.md",
}


def measure(effort: Effort, tell: Tell) -> Iterator[Figure]:
    """Warm: environments of services and tests exist; services have their tests, dev its `bake`, as in shipway.yaml."""
    with ontime({"v1.0": 40}) as (stage, _):
        began = time.monotonic()
        stage.shipway("deploy", "--env", "dev").answer()
        cold = time.monotonic() - began
        tell(f"first deploy: {cold:.1f} s")
        for what, path in _CHANGES.items():
            runs = [_change(stage, path) for _ in range(_TIMES[effort])]
            tell(f"{what}: {', '.join(f'{run.total:.1f} s' for run in runs)}")
            note = "until `shipway deploy` is back: served, watched through `bake`, read back"
            yield Figure(what, tuple(run.total for run in runs), "s", BUDGET, "worst", note=note)
            if first := [run.first_answer for run in runs if run.first_answer is not None]:
                yield Figure("… until its first answer in dev", tuple(first), "s")
            for part in runs[0].parts:
                samples = tuple(run.parts[part] for run in runs if part in run.parts)
                yield Figure(f"… {part}", samples, "s")
        yield Figure("the first deploy, everything built", (cold,), "s")


@dataclass(frozen=True, slots=True)
class Change:
    """One commit's way: seconds in all, until the first answer (None when none was due), and in each part."""

    total: float
    first_answer: float | None
    parts: Mapping[str, float]


def _change(stage: Stage, path: str) -> Change:
    file = stage.app / path
    file.parent.mkdir(exist_ok=True)
    with file.open("a") as text:
        text.write("# A line more.\n")
    with _watch(stage.url("dev")) as watch:
        began = time.time()
        stage.commit("Change a line")
        run = stage.shipway("deploy", "--env", "dev").answer()["run"]
        ended = time.time()
    events = stage.shipway("run", "show", run["id"]).answer()["events"]
    first = watch.changed - began if watch.changed is not None else None
    return Change(ended - began, first, _parts(stage, events, run["created"] - began, began, ended))


def _parts(
    stage: Stage, events: Sequence[Mapping[str, Any]], until_created: float, began: float, ended: float
) -> dict[str, float]:
    """Seconds between the events of a run, by what ended with each."""
    migrations = [
        re.escape(s["before_traffic"]) for s in stage.description["services"].values() if "before_traffic" in s
    ]
    landmarks = (
        ("look what changed", r": testing with "),
        ("tests and builds", r"^release r"),
        ("make room: the old warm side goes", "|".join(migrations)),
        ("migrate, start, ready", r"^started "),
        ("probes", r" probes answered "),
        ("bake", r"^\d+ %: "),
        ("read back, relabel", r"^done: "),
    )
    parts = {"git commit, command line starts": until_created}
    last = began + until_created
    for part, pattern in landmarks:
        at = next((event["at"] for event in events if re.search(pattern, event["text"])), None)
        if at is not None:
            parts[part] = at - last
            last = at
    return parts | {"command line ends": ended - last}


class Watch:
    """Asks dev all the time who answers. `changed` is when (Unix time) it first was another release."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.changed: float | None = None
        self._stop = threading.Event()
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        self._thread = threading.Thread(target=self._ask, name="watch")
        self._before = self._release()
        self._thread.start()

    def stop(self) -> None:
        """Ask no more."""
        self._stop.set()
        self._thread.join(timeout=10)

    def _ask(self) -> None:
        while self.changed is None and not self._stop.wait(0.02):
            if self._release() != self._before:
                self.changed = time.time()

    def _release(self) -> str | None:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=5)
        try:
            connection.request("GET", "/api/health")
            return connection.getresponse().headers["x-shipway-release"]
        finally:
            connection.close()


@contextmanager
def _watch(url: str) -> Iterator[Watch]:
    watch = Watch(url)
    try:
        yield watch
    finally:
        watch.stop()
