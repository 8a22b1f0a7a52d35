"""The states of a model version: who may move it from which to which, and what a state allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from shipway.core.access.roles import roles_of
from shipway.core.description.app import App
from shipway.core.errors import Refused, UsageError
from shipway.core.models.model_version import ModelVersion

ApprovalStatus = Literal["pending", "approved", "rejected", "archived"]
Decision = Literal["approved", "rejected", "archived"]

TRANSITIONS: Mapping[ApprovalStatus, tuple[Decision, ...]] = {
    "pending": ("approved", "rejected", "archived"),
    "approved": ("rejected", "archived"),
    "rejected": ("approved",),
    "archived": ("approved",),
}
"""What a person may decide in each state. A promotion also approves, but only a pending version."""

MAX_REASON = 2000
_COMMANDS: Mapping[Decision, str] = {
    "approved": "shipway model approve",
    "rejected": "shipway model reject",
    "archived": "shipway model archive",
}


def check_decision(version: str, now: ApprovalStatus, decision: Decision, by: str, why: str) -> None:
    """Refuse what the state does not allow. Raises UsageError for a decision without a person or a reason."""
    if not by.strip() or not why.strip() or len(why) > MAX_REASON:
        raise UsageError(
            f"a decision needs a person, and a reason of at most {MAX_REASON:,} characters",
            fix=f'{_COMMANDS[decision]} {version} --why "…"',
        )
    if decision not in TRANSITIONS[now]:
        allowed = ", or ".join(f'{_COMMANDS[other]} {version} --why "…"' for other in TRANSITIONS[now])
        raise Refused(f"model {version} is {now}, so it can't be {decision}", fix=allowed, state="nothing changed")


def check_promotable(model: ModelVersion) -> None:
    """Refuse to promote a rejected or archived version to an environment that does not serve it yet."""
    if model.approval_status in ("rejected", "archived"):
        said = f" ({model.approval_why})" if model.approval_why else ""
        by = f" by {model.approval_by}" if model.approval_by else ""
        raise Refused(
            f"model {model.version} was {model.approval_status}{by}{said}",
            fix=f'use another version, or shipway model approve {model.version} --why "…"',
            state="nothing changed",
        )


def check_unused(version: str, *, latest: bool, serves: tuple[str, ...]) -> None:
    """Refuse to archive a version that is still in use: archived means that it is not needed any more."""
    if serves:
        raise Refused(
            f"model {version} serves in {', '.join(serves)}; only what is not in use is archived",
            fix=f"promote another version there first: shipway model promote VERSION --env {serves[0]}",
            state="nothing changed",
        )
    if latest:
        raise Refused(
            f"model {version} is the latest: new releases take it",
            fix="promote another version first: shipway model promote VERSION",
            state="nothing changed",
        )


def check_decider(app: App, person: str, action: str) -> None:
    """Refuse a decision on a version to someone who may not let it into every environment with an approval policy."""
    held = roles_of(app, person)
    for name, environment in app.environments.items():
        if environment.approval is not None and not held & set(environment.approval.roles):
            raise Refused(
                f"{person} may not {action} a model: {name} takes one of the roles "
                f"{', '.join(environment.approval.roles)}, {person} holds {', '.join(sorted(held)) or 'none'}",
                fix=f"ask someone who holds one, or add {person} under `roles:` in shipway.yaml, commit it and run `shipway reload`",
                state="nothing changed",
            )
