"""What the daemon answers, as fixed JSON: shapes that several tests start from."""

from __future__ import annotations

from typing import Any

NOW = 1_795_000_000.0
Json = dict[str, Any]


def run(**changes: Any) -> Json:
    """A deploy through dev to prod that is under way."""
    return {
        "id": "12", "kind": "deploy", "commit": "abc1234def5678", "subject": "Show the gate", "branch": "main",
        "path": ["dev", "prod"], "done": ["dev"], "by": "ada", "created": NOW - 30, "status": "running",
        "stage": "rollout to prod", "release": "r42", "gate": None, "ended": None, "reason": "", "fix": "", "why": "",
        "model_version": None, "retry_of": None, "notes": [], "live": True, "exit_code": 0, **changes,
    }  # fmt: skip


def waiting(**changes: Any) -> Json:
    """The run at the gate of prod."""
    gate = {"environment": "prod", "roles": ["security", "tech-lead"], "since": NOW - 5, "expires": NOW + 3600}
    return run(status="waiting", stage="approval for prod", gate=gate, **changes)


def succeeded(**changes: Any) -> Json:
    """The run at its good end."""
    return run(status="succeeded", done=["dev", "prod"], ended=NOW, live=False, **changes)


def event(number: int, kind: str, text: str, environment: str | None = None, seconds: float | None = None) -> Json:
    """One line of a run's story."""
    return {"number": number, "kind": kind, "text": text, "at": NOW, "environment": environment, "seconds": seconds}


def service(name: str = "backend-api", **changes: Any) -> Json:
    """A service with all its tasks."""
    return {
        "name": name, "artifact": "9f2c1e", "ready": 3, "wanted": 3, "restarts": 0, "state_note": "",
        "seconds": 300.0, "requests": 0, "errors": 0, "failing": False, **changes,
    }  # fmt: skip


def environment(name: str = "prod", **changes: Any) -> Json:
    """An environment that serves r42."""
    return {
        "name": name, "branch": "main", "url": "http://127.0.0.1:8080", "https_url": None, "side": "blue",
        "release": "r42", "commit": "abc1234def5678", "subject": "Show the gate", "model_version": "v1.2",
        "approval": ["tech-lead"], "services": [service()], "candidate_services": [], "warm": None, "rollout": None,
        "experiment": None, "probation": None, "clients": None, "previous": "r41",
        **changes,
    }  # fmt: skip


def probation(**changes: Any) -> Json:
    """A version of which too little is known yet."""
    return {
        "id": "12-prod", "environment": "prod", "version": "v1.2", "before": "v1.1", "since": NOW - 60,
        "until": NOW + 600, "looked": NOW - 5, "found": None, "run": None, "trouble": "", "ended": None, "outcome": None,
        "reason": "", "verdict": {"kind": "wait", "reason": "812 of 1,000 labels known"}, **changes,
    }  # fmt: skip


def clients(requests: int = 1204, errors: int = 0, **changes: Any) -> Json:
    """What the clients of an environment saw in the last five minutes."""
    return {
        "seconds": 300.0, "requests": requests, "errors": errors, "failing": False, "p95": 0.0342, "worst": "", **changes,
    }  # fmt: skip


def rollout(**changes: Any) -> Json:
    """A canary at its first step."""
    return {
        "id": "12-prod", "environment": "prod", "release": "r42", "previous": "r41", "phase": "shifting", "step": 1,
        "steps": 3, "shares": "5 → 25 → 100 %", "weight": 500, "paused": False, "reason": "",
        "verdict": "12 of 50 requests seen", "waiting": None, "run": "12", "since": NOW - 3, **changes,
    }  # fmt: skip


def count(what: str, seen: int, needed: int, side: str = "candidate", *, probes: bool = False) -> Json:
    """So many of so many."""
    return {"what": what, "seen": seen, "needed": needed, "side": side, "probes": probes}


def waits(*counts: Json, **changes: Any) -> Json:
    """What a step waits for that lasts for 3 s already, at least 2 s, at most two minutes more."""
    return {
        "reason": "12 of 50 requests seen", "counts": list(counts), "holds_from": NOW - 1, "until": NOW + 119,
        "then": "rollback", **changes,
    }  # fmt: skip


def status(*environments: Json, runs: list[Json] | None = None, **changes: Any) -> Json:
    """All of the status."""
    return {
        "app": "ontime", "version": "0.1.0", "pid": 4711, "uptime": 300.0, "root": "/app",
        "authority": {"committed": True, "held_back": {}}, "router": {"running": True}, "loops": [], "disk": None,
        "environments": list(environments), "runs": runs or [], **changes,
    }  # fmt: skip
