"""The states of a model version: what may follow what, and who decides."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.core.description.app import App
from shipway.core.errors import Refused, UsageError
from shipway.core.models.approval import (
    TRANSITIONS,
    ApprovalStatus,
    Decision,
    check_decider,
    check_decision,
    check_promotable,
    check_unused,
)
from shipway.core.models.model_version import ModelVersion

statuses = st.sampled_from(get_args(ApprovalStatus))
decisions = st.sampled_from(get_args(Decision))


def version(status: str, by: str | None = "ann", why: str | None = "biased") -> ModelVersion:
    return ModelVersion(
        "v1.1", "m", "f", "d", "s", "", "", "", status, approval_by=by, approval_at="2026", approval_why=why
    )


def test_every_state_has_its_transitions() -> None:
    """From each state a person can go on, and what is decided never goes back to pending."""
    assert set(get_args(ApprovalStatus)) == set(TRANSITIONS)
    assert all(TRANSITIONS.values())
    assert not any("pending" in decided for decided in TRANSITIONS.values())


@given(statuses, decisions)
def test_what_the_table_lacks_is_refused_with_a_way_on(now: ApprovalStatus, decision: Decision) -> None:
    """A refusal names commands that the state allows."""
    if decision in TRANSITIONS[now]:
        check_decision("v1.1", now, decision, "ann", "why")
        return
    with pytest.raises(Refused, match=rf"v1\.1 is {now}, so it can't be {decision}") as refused:
        check_decision("v1.1", now, decision, "ann", "why")
    assert len(TRANSITIONS[now]) == refused.value.fix.count("shipway model ")


@given(
    statuses, decisions, st.sampled_from([("", "why"), (" ", "why"), ("ann", ""), ("ann", " "), ("ann", "x" * 2001)])
)
def test_who_and_why_are_asked_for(now: ApprovalStatus, decision: Decision, said: tuple[str, str]) -> None:
    """Without them nothing is decided, whatever the state."""
    with pytest.raises(UsageError):
        check_decision("v1.1", now, decision, *said)


@pytest.mark.parametrize("status", ["rejected", "archived"])
def test_what_was_put_away_is_not_promoted(status: str) -> None:
    """The refusal says who, why, and how to bring the version back."""
    with pytest.raises(Refused, match=rf"v1\.1 was {status} by ann \(biased\)") as refused:
        check_promotable(version(status))
    assert "shipway model approve v1.1" in refused.value.fix
    with pytest.raises(Refused, match=rf"^model v1\.1 was {status}$"):
        check_promotable(version(status, by=None, why=None))


@pytest.mark.parametrize("status", ["pending", "approved"])
def test_what_was_not_put_away_is_promoted(status: str) -> None:
    """Promoting a pending version is how it is tried."""
    check_promotable(version(status))


def test_only_what_nobody_uses_is_archived() -> None:
    """Serving and being the latest are both uses."""
    check_unused("v1.0", latest=False, serves=())
    with pytest.raises(Refused, match="serves in dev, prod"):
        check_unused("v1.0", latest=True, serves=("dev", "prod"))
    with pytest.raises(Refused, match="is the latest"):
        check_unused("v1.0", latest=True, serves=())


def app(*approvals: tuple[str, ...], **roles: list[str]) -> App:
    """An environment for each approval policy."""
    quick: dict[str, Any] = {"strategy": "all_at_once"}
    return App.model_validate(
        {
            "app": "a",
            "services": {"s": {"path": "s", "command": "c", "routes": ["/*"]}},
            "environments": {
                f"e{n}": {
                    "branch": f"b{n}", "port": 8000 + n, "tasks": {"min": 1, "max": 1}, "rollout": quick,
                    **({"approval": {"roles": list(approval)}} if approval else {}),
                }
                for n, approval in enumerate(approvals)
            },
            "roles": roles,
        }
    )  # fmt: skip


def test_who_decides_holds_a_role_of_every_policy() -> None:
    """One policy that the person does not meet is enough to refuse; without policies everyone decides."""
    check_decider(app((), ()), "bob", "approve")
    described = app((), ("dev", "lead"), ("lead",), dev=["bob"], lead=["ann"])
    check_decider(described, "ann", "approve")
    with pytest.raises(Refused, match=r"bob may not reject a model: e2 takes one of the roles lead, bob holds dev"):
        check_decider(described, "bob", "reject")
