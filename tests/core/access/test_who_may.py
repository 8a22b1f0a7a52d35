"""Who may say yes, to what, and how far a commit goes by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shipway.core.access.roles import check_known, check_role, roles_of
from shipway.core.description.app import App
from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.core.releases.gates import check_waiting, path_for
from shipway.core.releases.run import Answer, Gate, Run

QUICK = {"tasks": {"min": 1, "max": 1}, "rollout": {"strategy": "blue_green"}}
APP = App.model_validate(
    {
        "app": "hello",
        "services": {"hello": {"path": "hello", "command": "run", "routes": ["/*"]}},
        "environments": {
            "dev": {"branch": "develop", "port": 8081, **QUICK},
            "prod": {"branch": "main", "after": "dev", "port": 8080, **QUICK, "approval": {"roles": ["lead", "ops"]}},
        },
        "roles": {"lead": ["ann"], "ops": ["ann", "joe"], "writer": ["bob", "cid"], "reader": ["*"]},
    }
)
GATE = Gate("prod", ("lead",), 0.0, 60.0)
WAITING = Run("7", "deploy", "c1", "first", "main", ("dev", "prod"), "bob", 1.0, status="waiting", gate=GATE)


def said(error: ShipwayError) -> tuple[str, str, str]:
    return error.what, error.fix, error.state


@pytest.mark.parametrize(
    ("person", "roles"), [("ann", {"lead", "ops", "reader"}), ("bob", {"writer", "reader"}), ("eve", {"reader"})]
)
def test_a_person_holds_the_roles_that_name_them_or_everyone(person: str, roles: set[str]) -> None:
    """Nobody holds a role by another's name."""
    assert roles == roles_of(APP, person)


@pytest.mark.parametrize(("environment", "person"), [("prod", "ann"), ("prod", "joe"), ("dev", "eve")])
def test_one_of_the_roles_is_enough_and_without_approval_none_is_needed(environment: str, person: str) -> None:
    """Nothing is refused."""
    check_role(APP, environment, person, "approve")


def test_who_holds_none_of_the_roles_is_told_which_it_takes() -> None:
    """The refusal names the roles, those that are held, and whom to ask."""
    with pytest.raises(Refused) as refusal:
        check_role(APP, "prod", "bob", "approve")
    assert (
        "bob may not approve prod: it takes one of the roles lead, ops, bob holds reader, writer",
        "ask someone who holds one, or add bob under `roles:` in shipway.yaml, commit it and run `shipway reload`",
        "nothing changed",
    ) == said(refusal.value)


def test_who_holds_no_role_at_all_is_told_so() -> None:
    """Without roles for everyone, a stranger holds none."""
    app = APP.model_copy(update={"roles": {"lead": ("ann",)}})
    with pytest.raises(Refused, match="eve holds none"):
        check_role(app, "prod", "eve", "approve")


def test_an_unknown_environment_is_refused_with_those_that_there_are() -> None:
    """A typing mistake is answered with the names."""
    check_known(APP, "prod")
    with pytest.raises(UsageError) as refusal:
        check_known(APP, "pord")
    assert ("no environment 'pord'", "allowed: dev, prod (shipway.yaml)") == said(refusal.value)[:2]


def test_a_run_that_waits_takes_an_answer_until_its_gate_expires() -> None:
    """At the very second of its end it is too late."""
    check_waiting(WAITING, 59.9)
    with pytest.raises(Refused) as refusal:
        check_waiting(WAITING, 60.0)
    expired = ("run 7: the approval has expired", "shipway retry 7", "nothing was rolled out")
    assert expired == said(refusal.value)
    with pytest.raises(Refused) as refusal:
        check_waiting(replace(WAITING, status="expired", gate=None), 0.0)
    assert expired == said(refusal.value)


@pytest.mark.parametrize(
    ("run", "what"),
    [
        (replace(WAITING, gate=replace(GATE, answer=Answer("approved", "ann", ""))), "run 7 is approved by ann already"),
        (replace(WAITING, status="running", stage="build", gate=None), "run 7 does not wait for an approval: it is busy with build"),
        (replace(WAITING, gate=None), "run 7 does not wait for an approval: it is about to wait"),
        (replace(WAITING, status="failed", gate=None), "run 7 does not wait for an approval: it ended: failed"),
    ],
    ids=["answered", "running", "about to wait", "ended"],
)  # fmt: skip
def test_a_run_that_does_not_wait_says_what_it_does(run: Run, what: str) -> None:
    """And where to look."""
    with pytest.raises(Refused) as refusal:
        check_waiting(run, 0.0)
    assert (what, "shipway run show 7") == said(refusal.value)[:2]


@pytest.mark.parametrize(
    ("environment", "branch", "path"),
    [
        ("prod", None, ("dev", "prod")),
        ("dev", "main", ("dev",)),
        (None, "main", ("dev", "prod")),
        (None, "develop", ("dev",)),
    ],
)
def test_a_commit_goes_as_far_as_it_is_sent_or_its_branch_goes(
    environment: str | None, branch: str | None, path: tuple[str, ...]
) -> None:
    """What a person asks for comes before the branch."""
    assert path == path_for(APP, environment, branch)


@pytest.mark.parametrize(("branch", "where"), [("topic", "branch 'topic'"), (None, "a commit on no branch")])
def test_a_branch_of_no_environment_is_refused(branch: str | None, where: str) -> None:
    """The refusal says which branches go where."""
    with pytest.raises(UsageError) as refusal:
        path_for(APP, None, branch)
    what = f"{where} belongs to no environment (develop → dev, main → prod)"
    assert (what, "shipway deploy --env ENVIRONMENT") == said(refusal.value)[:2]
    with pytest.raises(UsageError, match="no environment 'test'"):
        path_for(APP, "test", "main")
