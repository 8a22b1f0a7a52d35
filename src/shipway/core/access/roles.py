"""Who holds which role, and what it lets them do."""

from __future__ import annotations

from shipway.core.description.app import App
from shipway.core.errors import Refused, UsageError

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
