"""Who may let a release in: roles and approvals. They belong to the operator, not to a commit.

A commit changes them only once the operator has it in the working copy and reads shipway.yaml again; an edit that was
never committed changes them only when the operator asks for that (`shipway reload --uncommitted`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from shipway.core.description.app import App, Approval
from shipway.core.errors import Refused

NOBODY_NEEDED = "nobody needs to approve"


@dataclass(frozen=True, slots=True)
class Authority:
    """Roles and their holders; for each environment the approval it asks for. `committed`: a commit holds them."""

    roles: Mapping[str, tuple[str, ...]]
    approvals: Mapping[str, Approval | None]
    committed: bool = True


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading shipway.yaml led to: the authority in force, what changed in it, and the edits not in force."""

    authority: Authority
    changes: Mapping[str, str]
    held_back: Mapping[str, str]


def authority_of(app: App, committed: App | None) -> Authority:
    """What shipway.yaml of the working copy says; `committed` is the file in the newest commit."""
    found = _said_by(app)
    return replace(found, committed=committed is not None and not changes(_said_by(committed), found))


def governed(app: App, authority: Authority) -> App:
    """The description with this authority in place of its own. A new environment brings its approval along."""
    environments = {
        name: environment.model_copy(update={"approval": authority.approvals.get(name, environment.approval)})
        for name, environment in app.environments.items()
    }
    return app.model_copy(update={"roles": dict(authority.roles), "environments": environments})


def at_start(accepted: Authority | None, found: Authority) -> Reading:
    """A start has to restore what served, so it never fails here: an uncommitted edit is left out instead."""
    if accepted is None:
        return Reading(found, {}, {})
    changed = changes(accepted, found)
    if found.committed or not changed:
        return Reading(found if found.committed else accepted, changed, {})
    return Reading(accepted, {}, changed)


def at_reload(accepted: Authority, found: Authority, uncommitted: bool) -> Reading:
    """Raises Refused for an edit that was never committed, unless `uncommitted` asks for it."""
    changed = changes(accepted, found)
    if changed and not found.committed and not uncommitted:
        raise Refused(
            "shipway.yaml changes roles or approvals and is not committed: " + "; ".join(spelled(changed)),
            fix="git commit shipway.yaml, then shipway reload. To take it as it is: shipway reload --uncommitted",
            state="nothing changed; roles, approvals and ports are as before",
        )
    return Reading(found if changed or found.committed else accepted, changed, {})


def changes(before: Authority, after: Authority) -> dict[str, str]:
    """Every difference, such as `roles.lead`: `ann → ann, bob`."""
    roles = before.roles.keys() | after.roles.keys()
    places = before.approvals.keys() | after.approvals.keys()
    pairs = {f"roles.{name}": (_people(before, name), _people(after, name)) for name in sorted(roles)}
    pairs |= {
        f"environments.{name}.approval": (_approval(before, name), _approval(after, name)) for name in sorted(places)
    }
    return {what: f"{old} → {new}" for what, (old, new) in pairs.items() if old != new}


def spelled(changed: Mapping[str, str]) -> list[str]:
    """One text for each change, such as `roles.lead: ann → ann, bob`."""
    return [f"{what}: {how}" for what, how in changed.items()]


def _said_by(app: App) -> Authority:
    return Authority(app.roles, {name: environment.approval for name, environment in app.environments.items()})


def _people(authority: Authority, role: str) -> str:
    return ", ".join(sorted(authority.roles[role])) or "nobody" if role in authority.roles else "no such role"


def _approval(authority: Authority, environment: str) -> str:
    if environment not in authority.approvals:
        return "no such environment"
    approval = authority.approvals[environment]
    if approval is None:
        return NOBODY_NEEDED
    return f"{' or '.join(sorted(approval.roles))} within {approval.expires:g} s"
