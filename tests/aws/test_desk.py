"""What the verbs do on AWS beyond what every desk does: the suite of all desks is tests/cli/test_both_carriers.py."""

from __future__ import annotations

import pytest

from shipway.core.errors import Refused, ShipwayError, UsageError
from tests.cli.worlds import OnAws
from tests.doubles.aws.clients import Answered, Clients


def calls(clients: Clients, service: str) -> list[str]:
    """The operations of a service that were called."""
    return [call.partition(":")[2] for call in clients.called if call.startswith(f"{service}:")]


def test_a_run_has_a_short_name_and_answers_to_the_whole_one(aws: OnAws) -> None:
    """CodePipeline's own id is in its mails and in its console."""
    one = aws.aws.passes[0]
    assert f"prod-{one.id[:8]}" == aws.desk.run(one.id).run.id == aws.desk.run(f"prod-{one.id[:8]}").run.id


@pytest.mark.parametrize(
    "id", ["77", "prod-12345678", "moon-12345678", "prod-back-12345678", "prod-", "", "prod-xyzxyzxy"]
)
def test_an_unknown_run_is_usage(aws: OnAws, id: str) -> None:
    """Whatever it looks like."""
    with pytest.raises(UsageError, match="no run"):
        aws.desk.run(id)


def test_a_rollback_by_its_rules_is_never_a_success(aws: OnAws) -> None:
    """ECS calls it ROLLBACK_SUCCESSFUL; the program ends with 4, and so does whoever waits for the run."""
    aws.hold()
    run = aws.desk.deploy("c2", "dev", "ann")
    aws.aws.fail_rollout(4, "green failed 61 of 118 requests")
    ended = aws.desk.run(run.id)
    assert ("rolled_back", 4) == (ended.run.status, ended.run.exit_code)
    assert "green failed 61 of 118 requests" == ended.run.reason
    assert "r1" == next(one for one in aws.desk.status().environments if one.name == "dev").release


@pytest.mark.parametrize(("code", "status"), [(1, "failed"), (3, "refused"), (4, "rolled_back"), (137, "failed")])
def test_the_programs_exit_code_is_the_runs(aws: OnAws, code: int, status: str) -> None:
    """Core's own numbers; whatever else ended it is a fault."""
    aws.hold()
    run = aws.desk.deploy("c2", "dev", "ann")
    aws.aws.fail_rollout(code, "")
    assert status == aws.desk.run(run.id).run.status
    assert status == next(one.status for one in aws.desk.runs(10) if one.id == run.id)


def test_an_older_run_does_not_pass_while_a_newer_one_waits_behind_it(aws: OnAws) -> None:
    """CodePipeline lets the older one keep the question: it is to be rejected first."""
    older = aws.desk.deploy("c2", None, "ann")
    newer = aws.desk.deploy("c3", None, "ann")
    with pytest.raises(Refused) as refused:
        aws.desk.answer(older.id, True, "ann", "fine")
    assert newer.id in refused.value.what
    assert f"shipway reject {older.id}" in refused.value.fix
    aws.desk.answer(older.id, False, "ann", "superseded")
    aws.desk.answer(newer.id, True, "ann", "fine")
    assert ("rejected", "succeeded") == (aws.desk.run(older.id).run.status, aws.desk.run(newer.id).run.status)


def test_of_two_answers_the_second_is_refused(aws: OnAws) -> None:
    """Somebody was quicker."""
    run = aws.desk.deploy("c2", None, "ann")
    aws.desk.answer(run.id, True, "ann", "fine")
    with pytest.raises(Refused, match="does not wait for an approval"):
        aws.desk.answer(run.id, False, "bob", "no")


def test_an_answer_that_aws_keeps_to_itself_is_told(aws: OnAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was given, and nothing shows that it was."""
    run = aws.desk.deploy("c2", None, "ann")
    monkeypatch.setattr(aws.aws, "codepipeline_put_approval_result", lambda **_: {})
    with pytest.raises(ShipwayError, match="still does not show") as error:
        aws.desk.answer(run.id, True, "ann", "fine")
    assert "not known" in error.value.state


def test_a_failed_rollout_is_retried_in_the_same_run(aws: OnAws) -> None:
    """Only the failed actions run again: nothing is built again, nobody is asked again."""
    aws.hold()
    run = aws.desk.deploy("c2", "dev", "ann")
    aws.aws.fail_rollout(1, "")
    aws.aws.held = False
    aws.aws.clients.called.clear()
    aws.hold()
    assert aws.desk.retry(run.id, "ann").live
    aws.let_go()
    assert "succeeded" == aws.desk.run(run.id).run.status
    assert "StartPipelineExecution" not in calls(aws.aws.clients, "codepipeline")
    with pytest.raises(Refused, match="nothing to retry"):
        aws.desk.retry(run.id, "ann")


def test_an_abort_stops_the_deployment_of_every_service(aws: OnAws) -> None:
    """And tells the program, which would else take it for a bad candidate."""
    aws.hold()
    aws.desk.deploy("c2", "dev", "ann")
    aws.desk.steer("dev", "abort", "bob", "wrong day")
    assert ["StopServiceDeployment"] == [call for call in calls(aws.aws.clients, "ecs") if call.startswith("Stop")]
    command = aws.aws.store.command("dev")
    assert command is not None
    assert command.record is not None
    assert ("abort", "bob", "wrong day") == (command.record.command, command.record.who, command.record.why)


def test_nothing_is_steered_where_nothing_moves(aws: OnAws) -> None:
    """Refused, and no command is left behind for the next rollout."""
    with pytest.raises(Refused, match="no rollout is under way in dev"):
        aws.desk.steer("dev", "pause", "ann", "")
    assert None is aws.aws.store.command("dev")


def test_a_rollout_whose_program_is_gone_can_be_aborted_only(aws: OnAws) -> None:
    """Nobody would take up another command; ECS itself goes back when it is told to."""
    aws.hold()
    aws.desk.deploy("c2", "dev", "ann")
    aws.aws.kill_driver()
    with pytest.raises(Refused, match="nothing of Shipway's drives the rollout") as refused:
        aws.desk.steer("dev", "promote", "ann", "")
    assert "shipway abort --env dev" == refused.value.fix
    rollout = aws.desk.steer("dev", "abort", "ann", "")
    assert rollout is not None
    assert ["ROLLBACK_REQUESTED"] == [one["status"] for one in aws.aws.deployments.values() if "finishedAt" not in one]


def test_a_rollback_is_a_rollout_of_the_release_before(aws: OnAws) -> None:
    """Without a pipeline: its own project, with that release, read back by the run that it is."""
    aws.desk.answer(aws.desk.deploy("c2", None, "ann").id, True, "ann", "fine")
    run = aws.desk.roll_back("prod", "bob", "slow")
    assert ("rollback", "r1", "bob") == (run.kind, run.release, run.by)
    assert "succeeded" == aws.desk.run(run.id).run.status
    served = {one.name: one.release for one in aws.desk.status().environments}
    assert {"dev": "r2", "prod": "r1"} == served
    started = [one for one in aws.aws.builds.values() if one["initiator"] == "hello-deployer/ann"]
    assert ["hello-prod-rollout"] == [one["projectName"] for one in started]


def test_a_follower_asks_aws_every_two_seconds_then_more_rarely(aws: OnAws) -> None:
    """And at once again when something has happened."""
    aws.hold()
    run = aws.desk.deploy("c2", "dev", "ann")
    seen, events = aws.desk.events(run.id, 0, 0.0)
    clock = aws.aws.clock
    began = clock.now
    aws.aws.clients.called.clear()
    aws.desk.events(run.id, events[-1].number, 20.0)
    assert 5 == calls(aws.aws.clients, "codepipeline").count("ListActionExecutions")
    assert 20.0 <= clock.now - began
    aws.let_go()
    seen, events = aws.desk.events(run.id, events[-1].number, 20.0)
    assert ("succeeded", "end") == (seen.status, events[-1].kind)


def test_numbers_of_events_never_change(aws: OnAws) -> None:
    """A line that AWS tells late comes behind those that were told."""
    aws.hold()
    run = aws.desk.deploy("c2", "dev", "ann")
    _, first = aws.desk.events(run.id, 0, 0.0)
    late = {**aws.aws.passes[-1].actions[0], "actionExecutionId": "late"}
    aws.aws.passes[-1].actions.insert(0, late)
    aws.aws.clock.now += 60
    _, again = aws.desk.events(run.id, 0, 0.0)
    assert first == again[: len(first)]
    assert [len(first) + 1] == [event.number for event in again[len(first) :]]


def test_what_terraform_has_not_made_is_shown_as_missing(aws: OnAws) -> None:
    """A cluster without its services: applied halfway."""
    del aws.aws.running["dev"]["hello"]
    dev = aws.desk.status().environments[0]
    assert "has no service hello" in dev.services[0].state_note
    with pytest.raises(Refused, match="no rollout is under way"):
        aws.desk.steer("dev", "abort", "ann", "")


def test_throttling_is_told_as_such(aws: OnAws) -> None:
    """The same command works a minute later."""
    aws.aws.clients.fail("codepipeline:StartPipelineExecution", "ThrottlingException")
    with pytest.raises(ShipwayError, match="slow down") as error:
        aws.desk.deploy("c2", None, "ann")
    assert "repeat the command" in error.value.fix
    assert 1 == len(aws.aws.passes)


def test_a_token_that_expires_between_two_calls_is_told(aws: OnAws) -> None:
    """Nothing was half done: the run waits as before."""
    run = aws.desk.deploy("c2", None, "ann")
    aws.aws.clients.fail("codepipeline:PutApprovalResult", "ExpiredTokenException")
    with pytest.raises(ShipwayError, match="expired") as error:
        aws.desk.answer(run.id, True, "ann", "fine")
    assert "aws sso login" in error.value.fix
    aws.aws.clients.fail("codepipeline:PutApprovalResult", None)
    assert "waiting" == aws.desk.run(run.id).run.status


def test_a_role_that_may_not_answer_is_a_refusal(aws: OnAws) -> None:
    """IAM says who may."""
    run = aws.desk.deploy("c2", None, "ann")
    aws.aws.clients.fail("codepipeline:PutApprovalResult", "AccessDeniedException")
    with pytest.raises(Refused, match="not allowed"):
        aws.desk.answer(run.id, True, "ann", "fine")


def test_a_pipeline_that_is_not_there_says_what_makes_it(aws: OnAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account in which infra/app was not applied, or the wrong region."""

    def gone(_: str) -> str:
        raise Answered("PipelineNotFoundException")

    monkeypatch.setattr(aws.aws, "_environment", gone)
    with pytest.raises(Refused, match="AWS has no pipeline hello-prod") as error:
        aws.desk.deploy("c2", None, "ann")
    assert "infra/app" in error.value.fix


def test_a_program_that_needs_a_commits_folder_cannot_roll_back(aws: OnAws) -> None:
    """Said before anything starts, not by a build that fails minutes later."""
    aws.desk.answer(aws.desk.deploy("c2", None, "ann").id, True, "ann", "fine")
    aws.aws.installs = ".[aws]"
    with pytest.raises(Refused, match="installs Shipway from a commit's folder") as refused:
        aws.desk.roll_back("prod", "bob", "slow")
    assert "infra/app" in refused.value.fix
    assert [] == [one for one in aws.aws.builds.values() if one["initiator"] == "hello-deployer/ann"]


def test_what_clients_saw_is_shown(aws: OnAws) -> None:
    """Of the load balancer's own figures; too many failures are called by their name."""
    aws.aws.seen = {"RequestCount": 200.0, "HTTPCode_Target_5XX_Count": 100.0}
    prod = aws.desk.status().environments[1]
    assert prod.clients is not None
    assert (300.0, 200, 100, True) == (
        prod.clients.seconds, prod.clients.requests, prod.clients.errors, prod.clients.failing
    )  # fmt: skip
    assert prod.services[0].failing
