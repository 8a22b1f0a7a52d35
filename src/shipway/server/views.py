"""What the API shows: records turned into JSON shapes."""

from __future__ import annotations

import os
import time
from typing import Any

from pydantic import TypeAdapter

from shipway import __version__
from shipway.core.description.app import Guard
from shipway.core.observations.observation import Side, TaskView, other
from shipway.core.releases.release import Release
from shipway.core.releases.run import Run
from shipway.core.rollouts.records import EnvironmentRecord, RolloutRecord
from shipway.core.verdicts.intervals import quantile
from shipway.core.verdicts.lately import Lately, SeenLately, together
from shipway.core.verdicts.traffic import MIN_LATENCIES
from shipway.pipeline.experiment_reports import ExperimentReport
from shipway.wiring import Platform

_anything: TypeAdapter[Any] = TypeAdapter(Any)
Json = dict[str, Any]


def plain(record: object) -> Any:
    """A record, or several, as JSON values."""
    return _anything.dump_python(record, mode="json")


def run(record: Run) -> Json:
    """A run, with what follows from its status."""
    return {**plain(record), "live": record.live, "exit_code": record.exit_code}


def whole_run(platform: Platform, id: str) -> Json:
    """A run with its release and rollouts."""
    found = platform.control.run(id)
    rollouts = [record for record in platform.store.all(RolloutRecord) if record.run == id]
    release = platform.store.get(Release, found.release) if found.release else None
    shown = {**plain(release), "model_version": _models(release)} if release else None
    if shown:
        del shown["app"]
    return {"run": run(found), "release": shown, "rollouts": [_rollout(record) for record in rollouts]}


def rollout(platform: Platform, environment: str) -> Json | None:
    """The rollout under way in an environment."""
    record = platform.rollouts.under_way(environment)
    return _rollout(record) if record else None


def status(platform: Platform) -> Json:
    """All that `shipway status` shows."""
    runs = platform.control.runs()
    return {
        "app": platform.app.app,
        "version": __version__,
        "pid": os.getpid(),
        "uptime": time.time() - platform.started,
        "root": str(platform.places.root),
        "authority": {"committed": platform.operator.committed, "held_back": platform.operator.held_back},
        "router": {"running": platform.target.is_routing()},
        "loops": [
            {"name": loop.name, "purpose": loop.purpose, "quiet": round(loop.quiet, 1), "fault": loop.fault}
            for loop in platform.loops.now()
        ],
        "disk": plain(platform.pruning.usage),
        "environments": [_environment(platform, record) for record in platform.control.environments()],
        "runs": [run(record) for record in runs[:5]],
    }


def experiment(report: ExperimentReport) -> Json:
    """What is tried out beside an environment's model, and how it does."""
    tried = report.experiment
    return {
        "environment": tried.environment,
        "model_version": tried.version,
        "split": dict(tried.split),
        "shadow": plain(tried.shadow),
        "by": tried.by,
        "why": tried.why,
        "since": tried.since,
        "stopped": plain(tried.stopped),
        "versions": plain(report.versions),
        "shadow_report": plain(report.shadow),
        "tasks": report.tasks,
    }


def releases(platform: Platform, limit: int) -> Json:
    """The newest releases and where they serve."""
    serving: dict[str, list[str]] = {}
    for environment in platform.control.environments():
        if environment.stable:
            serving.setdefault(environment.stable, []).append(environment.name)
    found = sorted(platform.store.all(Release), key=lambda release: -int(release.id[1:]))[:limit]
    return {
        "releases": [
            {
                "id": release.id,
                "commit": release.commit,
                "created_at": release.created_at,
                "artifacts": {name: artifact.digest for name, artifact in release.artifacts.items()},
                "model_version": _models(release),
                "serves": serving.get(release.id, []),
            }
            for release in found
        ]
    }


def _environment(platform: Platform, record: EnvironmentRecord) -> Json:
    described = platform.app.environments[record.name]
    release = platform.store.get(Release, record.stable) if record.stable else None
    under_way = rollout(platform, record.name)
    subjects = {r.commit: r.subject for r in platform.control.runs() if release and r.commit == release.commit}
    candidate = other(record.side) if under_way and release else record.side
    url, https_url = platform.target.addresses(record.name)
    seen = platform.target.lately(record.name, record.side, release) if release else SeenLately({})
    services = _services(platform, record.name, record.side, release, seen) if release else []
    coming = platform.store.get(Release, under_way["release"]) if under_way else None
    return {
        "name": record.name,
        "branch": described.branch,
        "url": url,
        "approval": list(described.approval.roles) if described.approval else None,
        "https_url": https_url,
        "side": record.side,
        "release": record.stable,
        "previous": record.history[-2] if len(record.history) > 1 else None,
        "commit": release.commit if release else None,
        "subject": subjects.get(release.commit) if release else None,
        "model_version": _models(release) if release else None,
        "services": services,
        "candidate_services": _candidate(platform, record.name, candidate, coming) if coming else [],
        "clients": _clients(platform, record.name, seen, services) if release else None,
        "warm": plain(record.warm) if record.warm else None,
        "rollout": under_way,
        "experiment": _experiment(platform, record.name),
    }


def _experiment(platform: Platform, environment: str) -> Json | None:
    report = platform.experiments.last_report(environment)
    return experiment(report) if report is not None else None


def _models(release: Release) -> str | None:
    return ", ".join(release.models) or None


def _candidate(platform: Platform, environment: str, side: Side, release: Release) -> list[Json]:
    return _services(platform, environment, side, release, platform.target.lately(environment, side, release))


def _services(platform: Platform, environment: str, side: Side, release: Release, seen: SeenLately) -> list[Json]:
    tasks = platform.target.tasks(environment, side)
    wanted = release.app.environments[environment].tasks.min
    guard = platform.app.environments[environment].rollout.guard
    return [
        {
            **_service(name, artifact.short, wanted, [task for task in tasks if task.service == name]),
            **_lately(seen.services[name], guard),
        }
        for name, artifact in release.artifacts.items()
    ]


def _lately(seen: Lately, guard: Guard) -> Json:
    """What clients saw in the last `seconds`, and whether that is worse than the environment's guard allows."""
    return {"seconds": seen.seconds, "requests": seen.requests, "errors": seen.errors, "failing": seen.fails(guard)}


def _clients(platform: Platform, environment: str, seen: SeenLately, services: list[Json]) -> Json:
    """All services of what serves together, with their latency."""
    guard = platform.app.environments[environment].rollout.guard
    found = _lately(together(seen.services.values()), guard)
    failing = found["failing"] or any(service["failing"] for service in services)
    return {
        **found,
        "failing": failing,
        "p95": quantile(seen.latencies) if len(seen.latencies) >= MIN_LATENCIES else None,
        "worst": seen.worst if failing else "",
    }


def _service(name: str, artifact: str, wanted: int, tasks: list[TaskView]) -> Json:
    notes = [task.note for task in tasks if task.state != "ready" and task.note]
    return {
        "name": name,
        "artifact": artifact,
        "ready": sum(task.state == "ready" for task in tasks),
        "wanted": wanted,
        "restarts": sum(task.restarts for task in tasks),
        "state_note": notes[0] if notes else "",
    }


def _rollout(record: RolloutRecord) -> Json:
    state = record.state
    return {
        "id": record.id,
        "environment": record.environment,
        "release": record.release,
        "previous": record.previous,
        "kind": record.kind,
        "strategy": record.plan.strategy,
        "phase": state.phase,
        "step": state.step + 1,
        "steps": len(record.plan.steps),
        "shares": record.plan.shares(),
        "weight": state.weight,
        "paused": state.paused,
        "reason": state.reason,
        "verdict": state.verdict,
        "waiting": plain(state.waiting) if state.phase == "shifting" else None,
        "run": record.run,
        "since": state.since,
        "started": record.started,
        "ended": record.ended,
    }
