"""Plays every verb of the API, and writes down what it answers: `python -m tests.server.record > tests/server/api.json`."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shipway.core.contract.bundles import BundleCounts, Running, Told
from shipway.core.description.app import App
from shipway.core.monitoring.watch import Seen, Violation
from tests.doubles.api import Api, Json, age
from tests.doubles.models import a_version
from tests.pipeline.house import DESCRIPTION, PHONE
from tests.waiting import wait_for

_MOVING = frozenset({"bytes", "requests", "seconds", "quiet", "age", "pid", "uptime"})
"""What differs from play to play, besides times."""


class Recording:
    """What was asked, in order, and what was answered."""

    def __init__(self, api: Api) -> None:
        self.answers: Json = {}
        self._api = api

    def ask(self, method: str, path: str, body: object = None, **query: object) -> Json:
        words = "&".join(f"{name}={value}" for name, value in query.items())
        status, answer = self._api.call(method, f"/v1/{path}", body, query)
        said = f" {json.dumps(body)}" if body is not None and not isinstance(body, bytes) else ""
        label = f"{len(self.answers) + 1:03} {method} /v1/{path}{f'?{words}' if words else ''}{said}"
        root = str(self._api.places.root)
        self.answers[label.replace(root, "ROOT")] = {"status": status, "answer": _still(answer, root)}
        return answer


def play(folder: Path) -> Json:
    """Every verb, where it succeeds and where it is refused."""
    api = Api(folder)
    api.house.registry.versions = {name: a_version(name) for name in ("v1.0", "v1.1", "v1.3", "v1.4", "v1.5", "v6.6")}
    api.house.registry.promoted("v1.0")
    try:
        recording = Recording(api)
        for part in (
            _nothing_yet,
            _runs,
            _steering,
            _models,
            _experiments,
            _monitor,
            _training,
            _secrets,
            _logs,
            _features,
            _apps,
            _previews,
            _daemon,
        ):
            part(api, recording.ask)
        return recording.answers
    finally:
        api.house.target.hold.set()
        api.close()


Ask = Callable[..., Json]


def _nothing_yet(api: Api, ask: Ask) -> None:
    for path in ("status", "runs", "releases", "models", "audit", "logs", "prune", "environments/dev/split", "alive"):
        ask("GET", path)
    ask("GET", "nowhere")
    ask("PUT", "runs")
    ask("POST", "runs", b"[]")
    ask("POST", "runs", b"{")
    ask("POST", "runs", {"commit": 7})
    ask("POST", "runs", {"commit": "\ud800"})
    ask("POST", "runs", {"commit": "unknown"})
    ask("POST", "runs", {"environment": "moon"})
    ask("GET", "runs", limit=-1)
    ask("GET", "runs/77")
    ask("GET", "runs/77/events")
    ask("POST", "environments/moon/pause", {})
    ask("POST", "environments/prod/rollback", {"why": "bad"})


def _runs(api: Api, ask: Ask) -> None:
    ask("POST", "runs", {"commit": "c1"})
    api.house.until("1", "waiting")
    for path in ("runs/1", "runs/1/events", "runs", "status"):
        ask("GET", path)
    ask("POST", "runs/1/retry", {})
    ask("POST", "runs/1/approve", {"why": "looks fine"})
    api.house.until("1", "succeeded")
    ask("POST", "runs/1/approve", {"why": "again"})
    for path in ("runs/1", "runs/1/events", "status", "releases"):
        ask("GET", path)
    ask("GET", "runs/1/events", after=3, wait=0)
    api.house.workshop.failing = {"dirty"}
    ask("POST", "runs", {"commit": "dirty", "environment": "dev"})
    api.house.until("2", "refused")
    ask("GET", "runs/2")
    api.house.workshop.failing = set()
    ask("POST", "runs/2/retry", {})
    api.house.until("3", "succeeded")
    ask("GET", "runs/3")
    ask("POST", "runs", {"commit": "c3"})
    api.house.until("4", "waiting")
    ask("POST", "runs/4/reject", {"why": "friday"})
    api.house.until("4", "rejected")
    ask("GET", "runs/4")
    ask("GET", "runs", limit=2)
    ask("GET", "releases", limit=1)


def _steering(api: Api, ask: Ask) -> None:
    ask("POST", "environments/dev/pause", {"why": "nothing goes on"})
    api.house.target.hold.clear()
    ask("POST", "runs", {"commit": "c4", "environment": "dev"})
    # Once it has let go of the side that was warm: before, the status may or may not tell of that.
    begun = api.house.rollouts
    api.house.reached(lambda: begun.under_way("dev") is not None and begun.record_of("dev").warm is None)
    ask("GET", "status")
    ask("POST", "environments/dev/promote", {})
    ask("POST", "environments/dev/pause", {"why": "look"})
    ask("POST", "environments/dev/resume", {})
    ask("POST", "environments/dev/split", {"shares": ["v1.1=10%"]})
    ask("POST", "environments/dev/abort", {"why": "bad"})
    api.house.target.hold.set()
    api.house.until("5", "rolled_back")
    ask("GET", "runs/5")
    ask("POST", "environments/dev/rollback", {"why": "back"})
    api.house.until("6", "succeeded")
    ask("GET", "runs/6")


def _models(api: Api, ask: Ask) -> None:
    ask("GET", "models/v1.0")
    ask("GET", "models/v1.0/compare/v1.1")
    ask("POST", "models", {"folder": str(api.places.root), "version": "v1.2"})
    ask("POST", "models", {"folder": str(api.places.root), "check": True})
    ask("POST", "models", {"folder": "somewhere"})
    ask("POST", "models/v1.1/approve", {})
    ask("POST", "models/v1.1/approve", {"why": "tried"})
    ask("POST", "models/v1.1/approve", {"why": "tried"})
    ask("POST", "models/v1.0/archive", {"why": "in use"})
    ask("POST", "models/v1.5/reject", {"why": "worse"})
    ask("POST", "models/v6.6/promote", {})
    ask("POST", "models/v1.1/promote", {"next_release": True, "canary": True})
    ask("POST", "models/v1.1/promote", {"environments": "dev"})
    ask("POST", "models/v1.1/promote", {"environments": ["dev", "prod"], "why": "better"})
    api.house.until("7", "succeeded")
    ask("GET", "runs/7")
    ask("GET", "models")
    ask("POST", "models/v1.2/promote", {"next_release": True, "why": "soon"})
    ask("POST", "models/rollback", {"environments": ["dev"], "why": "worse"})
    api.house.until("8", "succeeded")
    ask("GET", "models/v1.1")
    ask("GET", "models/history")
    ask("GET", "models/history?environment=dev&at=1")
    ask("GET", "models/history?at=soon")
    ask("GET", "models/history?environment=moon")
    ask("POST", "models/v1.0/bake", {})
    ask("POST", "models/v1.0/bake", {"service": "hello", "into": str(api.places.root / "hello" / "other")})
    ask("POST", "models/v1.0/bake", {"into": "/elsewhere"})
    ask("POST", "models/v1.0/bake", {"into": "relative"})
    ask("POST", "models/v1.0/bake", {"service": "nosuch"})


def _experiments(api: Api, ask: Ask) -> None:
    ask("GET", "environments/prod/split")
    ask("POST", "environments/prod/split", {"shares": ["v1.3=10%"], "why": "is it better?"})
    ask("POST", "environments/prod/split", {"shares": ["v1.3"]})
    ask("POST", "environments/prod/shadow", {"version": "v1.4", "percent": 50, "why": "listen"})
    ask("POST", "environments/prod/shadow", {"percent": "half"})
    ask("GET", "environments/prod/shadow")
    ask("GET", "status")
    ask("POST", "environments/prod/split", {"off": True})
    ask("POST", "environments/prod/shadow", {"off": True, "why": "heard enough"})
    ask("POST", "environments/moon/split", {"off": True})


def _monitor(api: Api, ask: Ask) -> None:
    ask("GET", "environments/dev/monitor")
    ask("POST", "environments/dev/monitor", {})
    ask("POST", "environments/dev/monitor/baseline", {"table": "relative.csv"})
    ask("POST", "environments/dev/monitor/baseline", {"table": "/no/such.csv"})
    ask("POST", "environments/dev/monitor/baseline", {"table": "/no/such.csv", "since": 1})
    ask("POST", "environments/dev/monitor/baseline", {})
    api.house.monitoring.seen = Seen(
        900,
        1000,
        {"request": 2},
        (Violation("late", "baseline_drift_check", "far away"),),
        300,
        {"brier": 0.2, "auc": None},
    )
    ask("POST", "environments/dev/monitor", {"since": 100, "until": 200})
    ask("POST", "environments/dev/monitor", {"since": "yesterday"})
    ask("GET", "environments/dev/monitor")
    ask("GET", "environments/moon/monitor")


def _training(api: Api, ask: Ask) -> None:
    ask("GET", "trainings")
    ask("POST", "trainings", {"begin": "May"})
    ask("POST", "trainings", {"begin": "2013-07", "end": "2013-07"})
    ask("POST", "trainings", {"commit": "unknown"})
    ask("POST", "trainings", {"trials": "3"})
    ask("POST", "trainings", {"trials": 3, "commit": "c1"})
    ask("GET", "trainings/1")
    run = ask("POST", "trainings", {"begin": "2013-05", "end": "2013-07", "commit": "c1", "why": "quarterly"})
    api.house.until(run["id"], "succeeded")
    ask("GET", f"trainings/{run['id']}")
    ask("POST", f"trainings/{run['id']}/resume", {})
    ask("POST", "trainings/77/resume", {})
    for path in (f"{run['id']}/report", f"{run['id']}/bias", f"{run['id']}/tracked", "77/report", "newest/tracked"):
        ask("GET", f"trainings/{path}")
    ask("GET", f"trainings/{run['id']}/compare/{run['id']}")
    ask("GET", "models/v1.0/card")
    ask("GET", "models/v9.9/card")
    wait_for(lambda: not api.house.run(str(int(run["id"]) + 1)).live)
    ask("GET", "trainings", limit=1)


def _secrets(api: Api, ask: Ask) -> None:
    ask("GET", "environments/prod/secrets")
    ask("POST", "environments/prod/secrets/MAPS_API_KEY", {"value": "of great value", "why": "new"})
    ask("POST", "environments/prod/secrets/MAPS_API_KEY", {"value": "of great value"})
    ask("POST", "environments/prod/secrets/MAPS_API_KEY", {"value": 7})
    ask("POST", "environments/prod/secrets/MAPS_API_KEY", {"value": ""})
    ask("POST", "environments/prod/secrets/no-name", {"value": "of great value"})
    ask("POST", "environments/moon/secrets/MAPS_API_KEY", {"value": "of great value"})
    ask("GET", "environments/prod/secrets")
    ask("POST", "environments/prod/secrets/MAPS_API_KEY/unset", {})
    ask("POST", "environments/prod/secrets/MAPS_API_KEY/unset", {})


def _features(api: Api, ask: Ask) -> None:
    weather = "environments/prod/features/weather"
    ask("GET", "environments/prod/features")
    ask("POST", weather, {"records": [{"airport": "JFK", "at": "2020-07-04T11:00:00Z", "temp": 75.5}]})
    ask("POST", weather, {"records": [{"airport": "JFK", "at": "2020-07-04T10:00:00Z", "temp": 75}]})
    ask("POST", weather, {"records": [{"airport": "JFK", "at": "noon"}]})
    ask("POST", weather, {"records": {}})
    ask("POST", weather, {"records": []})
    ask("POST", "environments/prod/features/tides", {"records": [{}]})
    ask("POST", f"{weather}/get", {"ids": ["JFK", "LGA"], "names": ["temp"]})
    ask("POST", f"{weather}/get", {"ids": ["JFK"], "names": ["tide"]})
    ask("GET", "environments/prod/features")
    ask("POST", f"{weather}/delete", {"id": "JFK", "at": "2020-07-04T11:00:00Z"})
    ask("POST", f"{weather}/delete", {"id": "JFK", "at": "2020-07-04T12:00:00Z"})
    ask("POST", f"{weather}/delete", {"id": "JFK"})
    ask("POST", f"{weather}/get", {"ids": ["JFK"]})
    ask("GET", "environments/moon/features")
    history = "environments/prod/feature-history"
    ask("POST", f"{history}/compact", {})
    ask("POST", "environments/moon/feature-history/compact", {})
    asked = {"rows": "/no/such.csv", "output": "/no/such/out.csv", "keys": {"weather": "origin"}, "time": "at"}
    ask("POST", f"{history}/join", asked)
    ask("POST", f"{history}/join", {**asked, "output": "out.csv"})
    ask("POST", f"{history}/join", {**asked, "keys": {"tides": "origin"}})
    ask("POST", f"{history}/join", {**asked, "keys": {}})
    ask("POST", f"{history}/join", {**asked, "keys": ["weather"]})
    ask("POST", f"{history}/join", {**asked, "written": "yesterday"})


def _apps(api: Api, ask: Ask) -> None:
    app, prod = "environments/dev/app", "environments/prod/app"
    ask("GET", "bundles")
    ask("GET", app)
    api.house.app = api.house.described = App.model_validate(DESCRIPTION | {"apps": {"phone": PHONE}})
    versions = []
    for commit in ("c7", "c8"):
        run = ask("POST", "runs", {"commit": commit, "environment": "dev"})
        api.house.until(run["id"], "succeeded")
        versions.append(ask("GET", app)["candidate"]["version"])
    first, second = versions
    api.house.bundles.counts = Told(
        {second: BundleCounts(30, 20, 1, 40, 2, {"update_fail": 1})}, {first: Running(3, 2e9)}
    )
    ask("GET", app)
    ask("GET", f"{app}/crashes")
    ask("POST", f"{app}/pause", {"why": "look"})
    ask("POST", f"{app}/pause", {"off": True})
    ask("POST", f"{app}/split", {"share": f"{second}=30%", "why": "more"})
    ask("POST", f"{app}/split", {"share": second})
    ask("POST", f"{app}/split", {})
    ask("POST", f"{app}/promote", {"why": "fine"})
    ask("POST", f"{app}/split", {"share": f"{second}=30%"})
    ask("POST", f"{app}/pause", {})
    ask("POST", f"{app}/promote", {})
    ask("POST", f"{app}/promote", {"version": "1.0.0-000000000000"})
    ask("POST", f"{app}/rollback", {"why": "crashes"})
    ask("POST", f"{app}/rollback", {})
    ask("POST", f"{app}/promote", {"version": first})
    ask("GET", "bundles")
    ask("GET", "status")
    ask("GET", prod)
    ask("GET", "environments/moon/app")


def _logs(api: Api, ask: Ask) -> None:
    logs, builds = api.places.state / "logs" / "prod", api.places.state / "builds"
    for folder in (logs, builds):
        folder.mkdir(parents=True)
    lines = [
        '{"time": "2026-11-26T10:00:01Z", "level": "info", "msg": "started"}',
        '{"time": "2026-11-26T10:00:02Z", "method": "GET", "path": "/health", "status": 200}',
        '{"time": "2026-11-26T10:00:03Z", "level": "error", "msg": "boom"}',
    ]
    (logs / "prod-blue-r1-hello-0.log").write_text("\n".join(lines) + "\n")
    (builds / "dirty-hello.log").write_text("1 failed\n")
    api.places.daemon_log.write_text("INFO up\nERROR down\n")
    ask("GET", "logs")
    ask("GET", "logs", lines=1)
    ask("GET", "logs", environment="prod", service="hello", release="r1", task="prod-blue-r1-hello-0", checks=0)
    ask("GET", "logs", errors=1, grep="BOOM", since=1)
    ask("GET", "logs", environment="moon")
    ask("GET", "logs/daemon", errors=1)
    ask("GET", "logs/build", run="2")
    ask("GET", "logs/build", run="77")


def _previews(api: Api, ask: Ask) -> None:
    ask("GET", "preview", commit="c9")
    ask("GET", "preview", commit="c9", environment="dev")
    ask("GET", "preview", environment="moon")
    ask("GET", "preview", commit="unknown")


def _daemon(api: Api, ask: Ask) -> None:
    age(api.places.state / "logs" / "dev" / "dev-blue-r0-hello-0.log")
    ask("GET", "prune")
    ask("POST", "prune", {})
    ask("POST", "reload", {})
    text = (api.places.root / "shipway.yaml").read_text()
    (api.places.root / "shipway.yaml").write_text(text.replace("8081", "8082"))
    ask("POST", "reload", {"uncommitted": True})
    ask("GET", "status")
    ask("GET", "audit", limit=100)
    ask("POST", "down", {"keep_tasks": False})
    assert ("stop_everything",) in api.house.target.calls
    assert api.stopped.is_set()


def _still(value: Any, root: str, name: str = "") -> Any:
    """The same in every play: times, durations and sizes say only that they are there."""
    if isinstance(value, dict):
        return {key: _still(item, root, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_still(item, root, name) for item in value]
    if isinstance(value, float | int) and not isinstance(value, bool) and (value > 1e9 or name in _MOVING):
        return "…"
    if name == "key":  # a training's, of which its time is a part
        return "…"
    return value.replace(root, "ROOT") if isinstance(value, str) else value


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        json.dump(play(Path(folder).resolve()), sys.stdout, indent=1, ensure_ascii=False)
        sys.stdout.write("\n")
