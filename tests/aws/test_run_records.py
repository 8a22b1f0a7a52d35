"""CodePipeline's words in core's: the run, its gate, its events."""

from __future__ import annotations

from typing import Any

import pytest

from shipway.aws.builds import Build
from shipway.aws.pipelines import Action, Execution, Result, Status, person
from shipway.aws.run_records import events_of, named, run_of
from shipway.core.releases.run import Run
from tests.aws.descriptions import repositorys

APP = repositorys()
DAY = 86400.0


def execution(status: Status = "InProgress", **changes: Any) -> Execution:
    return Execution("1f2e3d4c-0000", status, 100.0, 900.0, "abc1234", "Show the gate", "ada", **changes)


def action(stage: str, name: str, status: Result = "Succeeded", **changes: Any) -> Action:
    times = {"started": 100.0, "updated": 160.0}
    return Action(f"{stage}-{name}", "1f2e3d4c-0000", stage, name, status, **{**times, **changes})


def failed(code: int | None = None, phase: str = "build", message: str = "it said no") -> dict[str, Build]:
    return {"p:1": Build("p:1", "p", False, False, 100.0, 160.0, failed_in=phase, exit_code=code, message=message)}


def of(status: Status, *actions: Action, builds: dict[str, Build] | None = None) -> Run:
    return run_of(APP, "prod", execution(status), actions, builds or {})


def test_a_run_that_builds() -> None:
    """Its path is its branch's, its name its pipeline's."""
    run = of("InProgress", action("source", "app"), action("build", "backend-api", "InProgress"))
    assert ("prod-1f2e3d4c", ("dev", "prod"), "main") == (run.id, run.path, run.branch)
    assert ("running", "build", "ada", None) == (run.status, run.stage, run.by, run.ended)


def test_a_run_that_waits_says_for_whom_and_how_long() -> None:
    """As long as CodePipeline waits: what shipway.yaml says, between five minutes and sixty days."""
    run = of("InProgress", action("dev", "rollout"), action("prod", "approve", "InProgress", started=500.0))
    assert ("waiting", "approval for prod", ("dev",)) == (run.status, run.stage, run.done)
    assert run.gate is not None
    assert (("security", "tech-lead"), 500.0 + 7 * DAY) == (run.gate.roles, run.gate.expires)


@pytest.mark.parametrize(
    ("by", "seconds", "status"), [("ada", 60.0, "rejected"), ("", 60.0, "rejected"), ("", 7 * DAY, "expired")]
)
def test_a_question_is_rejected_or_expires(by: str, seconds: float, status: str) -> None:
    """Nobody rejects it after its time."""
    no = action("prod", "approve", "Failed", by=by, updated=100.0 + seconds, summary="friday")
    run = of("Failed", no)
    assert (status, 3) == (run.status, run.exit_code)
    assert "friday" in run.reason
    assert "shipway retry prod-1f2e3d4c" == run.fix


@pytest.mark.parametrize(
    ("code", "phase", "status", "exit_code"),
    [(4, "build", "rolled_back", 4), (3, "build", "refused", 3), (1, "build", "failed", 1), (None, "", "failed", 1)],
)
def test_a_rollouts_end_is_its_exit_code(code: int | None, phase: str, status: str, exit_code: int) -> None:
    """Where CodeBuild knows none, it is a fault."""
    run = of("Failed", action("dev", "rollout", "Failed", build="p:1"), builds=failed(code, phase))
    assert (status, exit_code) == (run.status, run.exit_code)


def test_tests_that_fail_refuse_the_commit() -> None:
    """As on one machine; an image that cannot be built is a fault."""
    broken = action("build", "backend-api", "Failed", build="p:1")
    assert "refused" == of("Failed", broken, builds=failed(1, "pre_build")).status
    assert "failed" == of("Failed", broken, builds=failed(1, "build")).status
    assert "shipway logs --build prod-1f2e3d4c" == of("Failed", broken, builds=failed(1, "build")).fix


def test_a_commit_that_was_not_pushed() -> None:
    """The source action's own words, and what to do."""
    run = of("Failed", action("source", "app", "Failed", error="No such commit"))
    assert "No such commit" in run.reason
    assert "push the commit, then: shipway retry prod-1f2e3d4c" == run.fix


@pytest.mark.parametrize(
    ("status", "ours"),
    [
        ("Succeeded", "succeeded"),
        ("Superseded", "superseded"),
        ("Stopped", "failed"),
        ("Cancelled", "failed"),
        ("Stopping", "running"),
    ],
)
def test_every_status_of_an_execution_is_one_of_a_run(status: Status, ours: str) -> None:
    """Those that are none of CodePipeline's failures."""
    assert ours == of(status).status


def test_the_story_of_a_run() -> None:
    """A line for what was done, one for what is under way, one at its end."""
    actions = [
        action("source", "app"),
        action("build", "backend-api", updated=190.0),
        action("build", "release", variables={"RELEASE": "r7"}),
        action("dev", "rollout", "InProgress"),
    ]
    run = of("InProgress", *actions)
    told = [(event.kind, event.text, event.environment) for _, event in events_of(APP, run, actions, {})]
    assert [
        ("done", "source app", None),
        ("done", "build of backend-api", None),
        ("done", "release r7", None),
        ("start", "rolls out", "dev"),
    ] == told
    assert "r7" == run.release


def test_an_answer_is_told_once() -> None:
    """Its text begins with who gave it, where it came by this desk."""
    for summary in ("ada: fine", "fine"):
        yes = action("prod", "approve", by="ada", summary=summary)
        run = of("InProgress", yes)
        assert "approved by ada: fine" == [event for _, event in events_of(APP, run, [yes], {})][-1].text


@pytest.mark.parametrize("id", ["prod", "prod-", "prod-1f2e3d4", "prod-1F2E3D4C", "moon-1f2e3d4c", "-1f2e3d4c"])
def test_what_names_no_run(id: str) -> None:
    """Neither its environment nor eight digits may be missing."""
    assert None is named(id, ["dev", "prod"])


def test_an_environment_may_be_called_like_a_rollback() -> None:
    """Then it is meant."""
    found = named("prod-back-1f2e3d4c", ["prod", "prod-back"])
    assert found is not None
    assert ("prod-back", False) == (found.environment, found.back)


@pytest.mark.parametrize(
    ("arn", "name"),
    [
        ("arn:aws:sts::123456789012:assumed-role/ontime-deployer/ada", "ada"),
        ("arn:aws:iam::123456789012:user/bob", "bob"),
        ("arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:root"),
        ("", ""),
    ],
)
def test_who_an_arn_speaks_of(arn: str, name: str) -> None:
    """The session, which is the person behind a role."""
    assert name == person(arn)
