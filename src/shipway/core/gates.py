"""Who may say yes, and which runs a newer commit makes pointless."""

from __future__ import annotations

from collections.abc import Iterable

from shipway.core.description import App
from shipway.core.errors import Refused, UsageError
from shipway.core.records import Run

EVERYONE = "*"


def roles_of(app: App, person: str) -> frozenset[str]:
    """The roles that a person holds."""
    return frozenset(role for role, people in app.roles.items() if person in people or EVERYONE in people)


def check_role(app: App, environment: str, person: str, action: str) -> None:
    """Refuse `action` on the environment to someone who holds none of the roles that its approval names."""
    approval = app.environments[environment].approval
    if approval is None or roles_of(app, person) & set(approval.roles):
        return
    held = ", ".join(sorted(roles_of(app, person))) or "none"
    raise Refused(
        f"{person} may not {action} {environment}: it takes one of the roles {', '.join(approval.roles)}, {person} holds {held}",
        fix=f"ask someone who holds one, or add {person} under `roles:` in shipway.yaml, commit it and run `shipway reload`",
        state="nothing changed",
    )


def check_known(app: App, environment: str) -> None:
    """Raise UsageError for an environment that shipway.yaml does not have."""
    if environment not in app.environments:
        raise UsageError(
            f"no environment {environment!r}", fix=f"allowed: {', '.join(app.environments)} (shipway.yaml)"
        )


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


def superseded(runs: Iterable[Run], newer: Run) -> list[Run]:
    """The runs that wait at a gate before the same last environment while `newer` goes there."""
    return [
        run
        for run in runs
        if run.id != newer.id
        and run.status == "waiting"
        and run.gate is not None
        and run.gate.answer is None
        and run.path[-1] == newer.path[-1]
        and run.created <= newer.created
    ]


def makes_pointless(other: Run, run: Run) -> bool:
    """Whether a run need not wait at its gate at all: a newer one goes the same way, and has not failed."""
    newer = int(other.id) > int(run.id) and other.kind == "deploy" and other.path[-1] == run.path[-1]
    return newer and other.status in ("running", "waiting", "succeeded")
