"""The daemon's API over a platform in memory: real rules, records and routes; no process, no router."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import yaml

from shipway.core.models.model_version import ModelVersion
from shipway.core.places import Places
from shipway.description.reader import load
from shipway.local.state.pruning import Pruning
from shipway.local.state.storage import Storage
from shipway.local.tasks.task_logs import FileTaskLog
from shipway.pipeline.experiments import Experiments
from shipway.pipeline.loops import Loops
from shipway.pipeline.operator import Operator
from shipway.server.api import make_api
from shipway.wiring import Platform
from tests.doubles.models import FakeModels
from tests.doubles.target import FakeTarget
from tests.pipeline.house import DESCRIPTION, House

WHO = "ann"
Json = dict[str, Any]


class PeoplesModels(FakeModels):
    """The registry in memory, with what only people ask of it."""

    def list(self) -> tuple[ModelVersion, ...]:
        return tuple(self.get(version) for version in ("v1.0", "v1.1"))

    def metadata(self, version: str) -> Json:
        return {"name": "m", "version": version, "approval": {"status": self.get(version).approval_status}}

    def publish(self, folder: object, version: str | None, author: str, *, tell: Any, **how: object) -> ModelVersion:
        tell(f"as it is, by {author}")
        return replace(self.get(version or "v1.2"), author=author)

    def compare(self, a: str, b: str, tell: Any) -> Json:
        tell("both answer")
        return {"rows": 10, "note": f"{a} and {b}"}


class StoppableTarget(FakeTarget):
    """A target in memory that a daemon looks after."""

    def reload(self, app: object) -> None:
        """Nothing listens."""

    def stop_everything(self) -> None:
        self.calls.append(("stop_everything",))


class Api:
    """Calls it as the daemon's server would, as the user `ann`."""

    def __init__(self, folder: Path) -> None:
        self.house = house = House(folder)
        self.places = Places(folder, folder / "run")
        self.places.state.mkdir()
        (folder / "shipway.yaml").write_text(yaml.safe_dump(DESCRIPTION))
        nothing: Any = None
        house.target.__class__ = StoppableTarget
        house.registry.__class__ = PeoplesModels
        operator = Operator(house.store, lambda: load(folder / "shipway.yaml"), time.time)
        self.stopping = threading.Event()
        loops = Loops(self.stopping, time.monotonic)
        loops.start("tasks", "starts and watches tasks", lambda: None, lambda: 60.0, 30.0)
        supervisor: Any = SimpleNamespace(tasks=list)
        specs: Any = SimpleNamespace(capture=lambda *_: None)
        self.platform = Platform(
            self.places, operator.start(house.app, WHO), house.store, house.target, nothing, house.registry,
            house.rollouts, house.control, Experiments(house.parts, house.target, house.stopping), supervisor,
            Pruning(Storage(self.places.state), house.store, supervisor, specs, FileTaskLog(self.places.state / "logs"), lambda: self.platform.app), nothing,
            operator, nothing, nothing, [], self.stopping, loops,
        )  # fmt: skip
        self.stopped = threading.Event()
        self._api = make_api(self.platform, self.stopped.set)
        self._runner = asyncio.Runner()

    def call(
        self, method: str, path: str, body: object = None, query: Mapping[str, object] | None = None
    ) -> tuple[int, Json]:
        """Status and answer."""
        return self._runner.run(self._call(method, path, body, query or {}))

    def close(self) -> None:
        self.stopping.set()
        self._runner.close()
        self.house.close()

    async def _call(self, method: str, path: str, body: object, query: Mapping[str, object]) -> tuple[int, Json]:
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        sent: list[Any] = []

        async def receive() -> Json:
            return {"type": "http.request", "body": raw, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(), "headers": [], "root_path": "",
            "query_string": urlencode(query).encode(), "client": (WHO, 0), "scheme": "http", "server": None,
        }  # fmt: skip
        await self._api(scope, receive, send)
        return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent[1:]))


def age(path: Path) -> None:
    """Nobody has touched it since 1970."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (0, 0))
