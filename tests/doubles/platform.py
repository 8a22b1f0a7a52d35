"""The control plane of the tests: a real desk, over a target in memory and a folder of its own."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import yaml

from shipway.description.reader import load
from shipway.local.logs import LocalLogs
from shipway.local.places import Places
from shipway.local.state.pruning import Pruning
from shipway.local.state.storage import Storage
from shipway.local.tasks.task_logs import FileTaskLog
from shipway.pipeline.loops import Loops
from shipway.pipeline.operator import Operator
from shipway.wiring.local_platform import LocalPlatform
from tests.doubles.target import FakeTarget
from tests.pipeline.house import DESCRIPTION, House

WHO = "ann"


class StoppableTarget(FakeTarget):
    """A target in memory that a daemon looks after."""

    def reload(self, app: object) -> None:
        """Nothing listens."""

    def stop_everything(self) -> None:
        self.calls.append(("stop_everything",))


class Platform(LocalPlatform):
    """Everybody who asks is `ann`."""

    def caller(self, user: int, process: int, *, decides: bool) -> str:
        return WHO


def platform_over(house: House) -> Platform:
    """A control plane over a house, whose description lies in its folder."""
    places = Places(house.root, house.root / "run")
    places.state.mkdir()
    (house.root / "shipway.yaml").write_text(yaml.safe_dump(DESCRIPTION))
    house.target.__class__ = StoppableTarget
    operator = Operator(house.store, lambda: load(house.root / "shipway.yaml"), time.time)
    stopping = threading.Event()
    loops = Loops(stopping, time.monotonic)
    loops.start("tasks", "starts and watches tasks", lambda: None, lambda: 60.0, 30.0)
    supervisor: Any = SimpleNamespace(tasks=list)
    specs: Any = SimpleNamespace(capture=lambda *_: None)
    task_logs = FileTaskLog(places.state / "logs")
    nothing: Any = None
    platform = Platform(
        desk=house.control,
        places=places,
        app=operator.start(house.app, WHO),
        target=house.target,  # type: ignore[arg-type]
        routes=nothing,
        rollouts=house.rollouts,
        supervisor=supervisor,
        pruning=Pruning(
            Storage(places.state),
            house.store,
            supervisor,
            specs,
            task_logs,
            lambda: platform.app,
            house.parts.offerings.needed,
        ),
        meter=nothing,
        operator=operator,
        copy=nothing,
        recovery=nothing,
        recalled=[],
        stopping=stopping,
        loops=loops,
        logs=LocalLogs(places),
        steps=SimpleNamespace(stop=lambda: None),  # type: ignore[arg-type]
        offerings=house.parts.offerings,
        insiders=nothing,
    )
    return platform
