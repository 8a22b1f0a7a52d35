"""Whose turn it is in an environment, which runs a newer commit makes pointless, and which runs wait at a gate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from shipway.core.access.roles import check_known
from shipway.core.description.app import App
from shipway.core.errors import Refused, UsageError
from shipway.core.releases.release import Commit
from shipway.core.releases.run import Run


def check_waiting(run: Run, now: float) -> None:
    """Refuse an answer to a run that is not waiting at a gate, saying what it does instead."""
    if run.gate is not None and run.gate.answer is not None:
        said = run.gate.answer
        raise Refused(f"run {run.id} is {said.kind} by {said.who} already", fix=f"shipway run show {run.id}")
    if run.status == "waiting" and run.gate is not None and now < run.gate.expires:
        return
    if run.status == "expired" or (run.status == "waiting" and run.gate is not None):
        raise Refused(
            f"run {run.id}: the approval has expired", fix=f"shipway retry {run.id}", state="nothing was rolled out"
        )
    what = {"running": f"is busy with {run.stage}", "waiting": "is about to wait"}.get(
        run.status, f"ended: {run.status}"
    )
    raise Refused(f"run {run.id} does not wait for an approval: it {what}", fix=f"shipway run show {run.id}")


def path_for(app: App, environment: str | None, branch: str | None) -> tuple[str, ...]:
    """The environments that a commit passes: up to `environment`, or as far as its branch goes."""
    if environment is not None:
        check_known(app, environment)
        return app.path_to(environment)
    for name, candidate in app.environments.items():
        if candidate.branch == branch:
            return app.path_to(name)
    branches = ", ".join(f"{e.branch} → {name}" for name, e in app.environments.items())
    where = f"branch {branch!r}" if branch else "a commit on no branch"
    raise UsageError(f"{where} belongs to no environment ({branches})", fix="shipway deploy --env ENVIRONMENT")


def check_described(commit: Commit, described: App, path: Sequence[str]) -> None:
    """Raise UsageError where the commit's own description lacks an environment that it would pass."""
    if missing := [name for name in path if name not in described.environments]:
        raise UsageError(
            f"commit {commit.short} knows no environment {missing[0]!r}; its shipway.yaml has: "
            f"{', '.join(described.environments)}",
            fix="deploy a commit whose shipway.yaml has it",
        )


@dataclass(frozen=True, slots=True)
class Turn:
    """What a run that is ready for an environment does: enter, wait for `other`, or end because `other` replaced it."""

    kind: Literal["enter", "wait", "superseded"]
    other: Run | None = None


def is_heading_for(run: Run, environment: str) -> bool:
    """Whether a run will come to an environment without anybody's approval."""
    return run.live and run.status != "waiting" and environment in run.path and environment not in run.done


def makes_pointless(other: Run, run: Run) -> bool:
    """Whether `other` is a newer order for the same last environment, and has not failed."""
    if other.kind != "deploy" or run.kind != "deploy" or other.path[-1] != run.path[-1]:
        return False
    return other.order > run.order and other.status in ("running", "waiting", "succeeded")


def superseding(run: Run, environment: str, runs: Iterable[Run]) -> Run | None:
    """The newer run that replaces one that waits at the environment's gate.

    It must have come as far itself: while it is still tested it may fail, and the older commit is the last good one.
    """
    newer = [other for other in runs if makes_pointless(other, run) and _has_come_to(environment, other)]
    return max(newer, key=lambda other: other.order, default=None)


def turn_of(run: Run, environment: str, runs: Iterable[Run], at_work: str | None = None) -> Turn:
    """Whose turn it is in an environment. `at_work` is the run whose rollout is under way there.

    Runs enter in the order of their numbers. A deploy waits for older ones that are still being built, too, so that
    what was asked for last serves in the end. Of the deploys with the same last environment that are ready, only the
    newest goes in; the others wait for its outcome: they are superseded when it serves, and have their turn
    when it fails. None is passed over while a deploy to another environment stands between the two: should the newest
    fail, the passed one would come after that. No run waits for one that waits for a person. A rollback goes first.
    """
    if at_work == run.id:
        return Turn("enter")
    others = sorted((other for other in runs if other.id != run.id), key=lambda other: int(other.id))
    serving = [other for other in others if makes_pointless(other, run) and environment in other.done]
    if serving:
        return Turn("superseded", max(serving, key=lambda other: other.order))
    live = [other for other in others if other.live]
    ahead = [other for other in live if other.id == at_work or _goes_first(other, run, environment, live)]
    return Turn("wait", ahead[0]) if ahead else Turn("enter")


def needs_new_approval(run: Run, environment: str, runs: Iterable[Run]) -> bool:
    """Whether a newer order was carried out there since the run was requested, and the run has no approval for there.

    If its commit is an ancestor of the one that serves, the run would go back, which takes a person's approval.
    """
    if run.kind != "deploy" or environment in run.approved:
        return False
    return any(environment in other.done and other.order > run.order for other in runs)


def _goes_first(other: Run, run: Run, environment: str, live: Iterable[Run]) -> bool:
    if environment not in other.path or environment in other.done or other.status == "waiting":
        return False
    ready, earlier = other.enters == environment, int(other.id) < int(run.id)
    if other.kind == "rollback" or run.kind == "rollback":
        return ready and other.kind == "rollback" and (earlier or run.kind != "rollback")
    known = (*live, run)
    if makes_pointless(other, run):
        return _passes(other, run, environment, known)
    if not earlier or any(_passes(newer, other, environment, known) for newer in known):
        return False
    return ready or other.kind == run.kind == "deploy"


def _passes(newer: Run, run: Run, environment: str, live: Iterable[Run]) -> bool:
    """Whether a newer run that is ready goes in before `run`, which is then tried only if the newer one fails."""
    if not makes_pointless(newer, run) or newer.enters != environment:
        return False
    return not any(
        int(run.id) < int(other.id) < int(newer.id)
        and other.path[-1] != run.path[-1]
        and other.kind == "deploy"
        and is_heading_for(other, environment)
        for other in live
    )


def _has_come_to(environment: str, run: Run) -> bool:
    at_gate = run.gate is not None and run.gate.environment == environment
    return at_gate or run.enters == environment or environment in run.done
