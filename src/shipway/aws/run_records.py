"""What CodePipeline and CodeBuild say of a run, in core's records and words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from shipway.aws.builds import Build
from shipway.aws.names import APPROVE, BUILD_STAGE, RELEASE, ROLLOUT, SOURCE_STAGE
from shipway.aws.pipelines import Action, Execution
from shipway.core.description.app import App, Approval
from shipway.core.events import Event, EventKind
from shipway.core.releases.run import Gate, Run, RunStatus

SHORT = 8
"""Digits of an execution's id that name its run."""
_BACK = "back"
_SHORTEST, _LONGEST = 300.0, 60 * 86400.0
"""Between them lies how long CodePipeline waits for an answer."""
_OUTCOMES: Mapping[int, RunStatus] = {3: "refused", 4: "rolled_back"}
_TESTS = "pre_build"
"""The phase of a buildspec that runs the service's tests."""


@dataclass(frozen=True, slots=True)
class Named:
    """What a run's id says: the environment whose pipeline it is, or whose rollback, and how AWS's own id begins."""

    environment: str
    back: bool
    beginning: str


def run_id(environment: str, execution: str) -> str:
    """`prod-1f2e3d4c`: the pipeline's environment, and the first digits of the execution's id."""
    return f"{environment}-{execution[:SHORT]}"


def back_id(environment: str, stream: str) -> str:
    """`prod-back-1f2e3d4c`: a rollback that was asked for."""
    return f"{environment}-{_BACK}-{stream[:SHORT]}"


def named(id: str, environments: Sequence[str]) -> Named | None:
    """The parts of a run's id; None for a text that is no id of a run.

    >>> named("prod-1f2e3d4c", ["dev", "prod"])
    Named(environment='prod', back=False, beginning='1f2e3d4c')
    """
    before, dash, beginning = id.rpartition("-")
    if not dash or len(beginning) != SHORT or any(digit not in "0123456789abcdef" for digit in beginning):
        return None
    if before in environments:
        return Named(before, False, beginning)
    environment = before.removesuffix(f"-{_BACK}")
    return Named(environment, True, beginning) if environment != before and environment in environments else None


def run_of(
    app: App, environment: str, execution: Execution, actions: Sequence[Action], builds: Mapping[str, Build]
) -> Run:
    """An execution of the environment's pipeline as a run. `builds` are those of failed actions, by id."""
    path = app.path_to(environment)
    status, reason, fix = _ending(app, execution, actions, builds)
    at = actions[-1] if actions else None
    live = status in ("running", "waiting")
    return Run(
        id=run_id(environment, execution.id),
        kind="deploy",
        commit=execution.commit,
        subject=execution.subject,
        branch=app.environments[environment].branch,
        path=path,
        by=execution.by,
        created=execution.started,
        status=status,
        stage=_stage(at),
        done=tuple(name for name in path if any(_rolled_out(action, name) for action in actions)),
        release=release_of(actions),
        gate=_gate(app, at) if status == "waiting" else None,
        ended=None if live else execution.updated,
        reason=reason,
        fix=fix.format(id=run_id(environment, execution.id)),
        approved=tuple(action.stage for action in actions if action.name == APPROVE and action.status == "Succeeded"),
    )


def rollback_of(environment: str, build: Build) -> Run:
    """A rollout that was started outside of any pipeline as a run: a rollback on request."""
    release = (build.variables or {}).get("RELEASE")
    status: RunStatus = "running" if build.running else "succeeded" if build.succeeded else _outcome(build)
    id = back_id(environment, build.stream)
    return Run(
        id=id,
        kind="rollback",
        commit="",
        subject=f"roll back to {release}",
        branch=None,
        path=(environment,),
        by=(build.variables or {}).get("BY", build.by),
        created=build.started,
        status=status,
        stage=f"rollout to {environment}",
        done=(environment,) if build.succeeded else (),
        release=release,
        ended=build.ended,
        reason="" if build.running or build.succeeded else build.message or "the rollout failed",
        fix="" if build.running or build.succeeded else f"shipway logs --build {id}",
    )


def release_of(actions: Sequence[Action]) -> str | None:
    """The release that an execution made, once it has."""
    return next((found for action in reversed(actions) if (found := action.variables.get("RELEASE"))), None)


def events_of(
    app: App, run: Run, actions: Sequence[Action], builds: Mapping[str, Build]
) -> Iterator[tuple[str, Event]]:
    """What happened in a run, each line with a key that stays its own however often it is read."""
    for action in actions:
        environment = action.stage if action.stage in app.environments else None
        for kind, text, at, seconds in _told(app, run, action, builds):
            yield f"{action.id} {kind}", Event(kind, text, at, run.id, environment, seconds)
    if not run.live and run.ended is not None:
        yield f"end {run.ended}", Event("end", run.reason, run.ended, run.id)


def back_events(run: Run) -> Iterator[tuple[str, Event]]:
    """What happened in a rollback."""
    environment = run.path[0]
    yield "start", Event("start", f"rolls out {run.release}", run.created, run.id, environment)
    if run.ended is not None:
        took = run.ended - run.created
        if run.status == "succeeded":
            yield "done", Event("done", f"{environment} serves {run.release}", run.ended, run.id, environment, took)
        else:
            yield "fail", Event("fail", run.reason, run.ended, run.id, environment, took)
        yield "end", Event("end", run.reason, run.ended, run.id)


def _told(
    app: App, run: Run, action: Action, builds: Mapping[str, Build]
) -> Iterator[tuple[EventKind, str, float, float | None]]:
    """The lines that an action tells: what it does now, or what became of it."""
    doing, done = _words(action)
    if action.name == APPROVE:
        roles = _roles(app, action.stage)
        yield (
            "gate",
            f"waits for approval by {' or '.join(roles)}" if roles else "waits for approval",
            action.started,
            None,
        )
        if action.status == "Succeeded":
            yield "done", f"approved{_answer(action)}", action.updated, action.seconds
        elif action.status == "Failed":
            yield "fail", f"{_answered_no(app, action)}{_answer(action)}", action.updated, action.seconds
        return
    if action.status == "InProgress" or action.name == ROLLOUT:
        yield "start", doing, action.started, None
    if action.status == "Succeeded":
        yield "done", done, action.updated, action.seconds
    elif action.status == "Failed":
        ended_it = action.name == ROLLOUT and not run.live and run.reason
        yield "fail", f"{done} failed: {ended_it or _why(action, builds)}", action.updated, action.seconds
    elif action.status == "Abandoned":
        yield "note", f"{done} abandoned", action.updated, action.seconds


def _words(action: Action) -> tuple[str, str]:
    """What an action does, and what it has done: `builds backend-api`, `build of backend-api`."""
    if action.stage == SOURCE_STAGE:
        return f"fetches {action.name}", f"source {action.name}"
    if action.name == RELEASE and action.stage == BUILD_STAGE:
        release = action.variables.get("RELEASE")
        return "writes the release", f"release {release}" if release else "the release"
    if action.stage == BUILD_STAGE:
        return f"builds {action.name}", f"build of {action.name}"
    return "rolls out", "rollout"


def _stage(action: Action | None) -> str:
    """Where a run is, in the words of every target."""
    if action is None or action.stage == SOURCE_STAGE:
        return "source"
    if action.stage == BUILD_STAGE:
        return "build" if action.name != RELEASE else "release"
    return f"approval for {action.stage}" if action.name == APPROVE else f"rollout to {action.stage}"


def _gate(app: App, action: Action | None) -> Gate | None:
    if action is None:
        return None
    return Gate(action.stage, _roles(app, action.stage), action.started, action.started + _patience(app, action.stage))


def _approval(app: App, stage: str) -> Approval | None:
    return app.environments[stage].approval if stage in app.environments else None


def _roles(app: App, stage: str) -> tuple[str, ...]:
    approval = _approval(app, stage)
    return approval.roles if approval is not None else ()


def _patience(app: App, stage: str) -> float:
    """How long CodePipeline waits for an answer there, in seconds."""
    approval = _approval(app, stage)
    return min(_LONGEST, max(_SHORTEST, approval.expires)) if approval is not None else 7 * 86400.0


def _rolled_out(action: Action, environment: str) -> bool:
    return action.stage == environment and action.name == ROLLOUT and action.status == "Succeeded"


def _ending(
    app: App, execution: Execution, actions: Sequence[Action], builds: Mapping[str, Build]
) -> tuple[RunStatus, str, str]:
    """Status, reason and the next command."""
    at = actions[-1] if actions else None
    match execution.status:
        case "InProgress" | "Stopping":
            waits = at is not None and at.name == APPROVE and at.status == "InProgress"
            return ("waiting" if waits and execution.status == "InProgress" else "running"), "", ""
        case "Succeeded":
            return "succeeded", "", ""
        case "Superseded":
            return "superseded", "a newer run took its place before a stage that it waited for", "shipway runs"
        case "Stopped" | "Cancelled":
            why = f": {execution.stopped}" if execution.stopped else ""
            return "failed", f"stopped in AWS{why}", "shipway deploy"
        case "Failed":
            return _failure(app, next((a for a in reversed(actions) if a.status == "Failed"), None), builds)


def _failure(app: App, failed: Action | None, builds: Mapping[str, Build]) -> tuple[RunStatus, str, str]:
    if failed is None:
        return "failed", "", "shipway run show {id}"
    if failed.name == APPROVE:
        status = _answered_no(app, failed)
        return status, f"{status}{_answer(failed)}", "shipway retry {id}"
    why = _why(failed, builds)
    if failed.stage == SOURCE_STAGE:
        return "failed", f"the commit could not be fetched: {why}", "push the commit, then: shipway retry {id}"
    build = builds.get(failed.build)
    status = "failed" if build is None else _outcome(build)
    if failed.name == ROLLOUT:
        return status, why, f"shipway logs --env {failed.stage} --errors"
    return status, f"{_words(failed)[1]} failed: {why}", "shipway logs --build {id}"


def _answered_no(app: App, action: Action) -> RunStatus:
    """A question that fails is rejected by a person, or expired after its time."""
    return "expired" if not action.by and action.seconds >= _patience(app, action.stage) - 60 else "rejected"


def _answer(action: Action) -> str:
    """` by ada: fine`; where the answer came by this desk, its text begins with who gave it."""
    if not action.by:
        return f": {action.summary}" if action.summary else ""
    why = action.summary.removeprefix(action.by).removeprefix(": ")
    return f" by {action.by}{f': {why}' if why else ''}"


def _outcome(build: Build) -> RunStatus:
    """What the exit code of a program of ours says; a service's tests refuse, as they do on every target."""
    if build.failed_in == _TESTS:
        return "refused"
    return _OUTCOMES.get(build.exit_code or 1, "failed")


def _why(action: Action, builds: Mapping[str, Build]) -> str:
    build = builds.get(action.build)
    said = build.message if build is not None and build.message else action.error
    return said or "AWS gives no reason"
