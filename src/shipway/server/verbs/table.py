"""The table: every verb of a desk by method and path, and how a call finds its own."""

from __future__ import annotations

from collections.abc import Sequence

from shipway.core.desk import Desk
from shipway.core.errors import UsageError
from shipway.core.logs.asked import Asked
from shipway.core.rollouts.machine import Command
from shipway.server.verbs import shapes
from shipway.server.verbs.apps import app_verbs
from shipway.server.verbs.call import Answer, Call, Verb, Verbs
from shipway.server.verbs.experiments import experiment_verbs
from shipway.server.verbs.features import feature_verbs
from shipway.server.verbs.models import model_verbs
from shipway.server.verbs.monitor import monitor_verbs
from shipway.server.verbs.reports import report_verbs
from shipway.server.verbs.secrets import secret_verbs
from shipway.server.verbs.training import training_verbs

MAX_WAIT = 20.0
MOST_LINES = 10_000
FOLLOWING = frozenset({("GET", "/v1/runs/{id}/events")})
"""Verbs that wait for something to happen."""
LENGTHY = frozenset({
    ("POST", "/v1/models"), ("GET", "/v1/models/{a}/compare/{b}"),
    ("POST", "/v1/environments/{environment}/monitor"), ("POST", "/v1/environments/{environment}/monitor/baseline"),
})  # fmt: skip
"""Verbs that look at many rows: few of them at a time, so that they never keep others waiting."""


def desk_verbs(desk: Desk) -> Verbs:
    """Every verb of the desk."""

    def events(call: Call) -> Answer:
        after, wait = int(call.number("after", 0, 1e15)), call.number("wait", 0, MAX_WAIT)
        run, found = desk.events(call.path("id"), after, wait)
        return {"events": shapes.plain(found), "run": shapes.run(run)}

    def answer(approved: bool) -> Verb:
        return lambda call: shapes.run(desk.answer(call.path("id"), approved, call.who, call.why))

    def steer(command: Command) -> Verb:
        return lambda call: {"rollout": shapes.plain(desk.steer(call.path("environment"), command, call.who, call.why))}

    def logs(call: Call) -> Answer:
        owner = {name: call.query(name) for name in ("environment", "service", "release", "task")}
        wanted = {name: value for name, value in owner.items() if value is not None}
        return {"lines": shapes.plain(desk.logs(asked_lines(call), wanted))}

    return {
        ("GET", "/v1/status"): lambda _: shapes.status(desk.status()),
        ("GET", "/v1/runs"): lambda call: {"runs": [shapes.run(run) for run in desk.runs(call.limit(20, 1000))]},
        ("POST", "/v1/runs"): lambda call: shapes.run(
            desk.deploy(call.text("commit"), call.text("environment"), call.who)
        ),
        ("GET", "/v1/preview"): lambda call: shapes.plain(
            desk.preview(call.query("commit"), call.query("environment"))
        ),
        ("GET", "/v1/runs/{id}"): lambda call: shapes.whole_run(desk.run(call.path("id"))),
        ("GET", "/v1/runs/{id}/events"): events,
        ("POST", "/v1/runs/{id}/approve"): answer(True),
        ("POST", "/v1/runs/{id}/reject"): answer(False),
        ("POST", "/v1/runs/{id}/retry"): lambda call: shapes.run(desk.retry(call.path("id"), call.who)),
        ("POST", "/v1/environments/{environment}/pause"): steer("pause"),
        ("POST", "/v1/environments/{environment}/resume"): steer("resume"),
        ("POST", "/v1/environments/{environment}/promote"): steer("promote"),
        ("POST", "/v1/environments/{environment}/abort"): steer("abort"),
        ("POST", "/v1/environments/{environment}/rollback"): lambda call: shapes.run(
            desk.roll_back(call.path("environment"), call.who, call.why)
        ),
        ("GET", "/v1/releases"): lambda call: {
            "releases": [shapes.release(release) for release in desk.releases(call.limit(20, 1000))]
        },
        **model_verbs(desk.models),
        **experiment_verbs(desk.experiments),
        **monitor_verbs(desk.monitor),
        **training_verbs(desk.training),
        **report_verbs(desk.reports),
        **secret_verbs(desk.secrets),
        **feature_verbs(desk.features),
        **app_verbs(desk.apps),
        ("GET", "/v1/logs"): logs,
        ("GET", "/v1/logs/build"): lambda call: {
            "lines": list(desk.build_log(call.query("run") or "", asked_lines(call)))
        },
        ("GET", "/v1/audit"): lambda call: {"entries": shapes.plain(desk.audit(call.limit(50, 10_000)))},
    }


def asked_lines(call: Call) -> Asked:
    """Which lines of a log are asked for."""
    return Asked(
        int(call.number("lines", 100, MOST_LINES)),
        since=call.number("since", 0, 1e11),
        grep=call.query("grep") or "",
        errors=call.query("errors") == "1",
        checks=call.query("checks") != "0",
    )


def find(table: Verbs, method: str, segments: Sequence[str]) -> tuple[Verb, dict[str, str]]:
    """The verb for a path of these segments, and the named parts of it. Raises UsageError where there is none."""
    for (known, path), verb in table.items():
        names = path.removeprefix("/v1/").split("/")
        if known == method and len(names) == len(segments):
            pairs = list(zip(names, segments, strict=True))
            if all(name == segment or name.startswith("{") for name, segment in pairs):
                return verb, {name[1:-1]: segment for name, segment in pairs if name.startswith("{")}
    raise UsageError(f"this target has no {method} /v1/{'/'.join(segments)}: only a daemon answers that")
