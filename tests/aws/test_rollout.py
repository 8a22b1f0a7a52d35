"""Rollouts on AWS, against doubles that follow its shapes: forward as one, back as one, and the exit code tells which."""

from collections.abc import Callable
from typing import Any

import pytest

from shipway.aws.calls import NotLoggedIn
from shipway.core.description.app import App
from tests.aws.doubles import refused
from tests.aws.rollout_bench import BACKEND, MODEL, Bench, release

R1, R2 = {BACKEND: "r1", MODEL: "r1"}, {BACKEND: "r2", MODEL: "r2"}


def once(operation: str, error: Exception, *, at: int = 1, times: int = 1) -> Callable[[str, str], None]:
    """A wire's `before` that fails the operation's calls from the one numbered `at` on, `times` of them."""
    seen = 0

    def before(service: str, name: str) -> None:
        nonlocal seen
        if name == operation:
            seen += 1
            if at <= seen < at + times:
                raise error

    return before


# -- forward ----------------------------------------------------------------------------------------------------------


def test_a_canary_goes_through_its_steps_and_is_read_back():
    bench = Bench()
    code, said = bench.outcome()
    assert (0, R2, ("r1", "r2")) == (code, bench.serving(), bench.history()), (said, bench.said)
    assert "9 of 9 answers by model v1.0" in said
    assert "digest 888888" in said
    assert any("5 %: 0 of" in line for line in bench.said), bench.said


@pytest.mark.parametrize("strategy", ["all_at_once", "rolling", "blue_green", "canary", "linear"])
def test_every_strategy_ends_on_the_new_release(strategy: str):
    bench = Bench(strategy=strategy, steps=(5.0,) if strategy == "canary" else ())
    assert 0 == bench.outcome()[0], bench.said
    assert (R2, ("r1", "r2")) == (bench.serving(), bench.history())


def test_linear_stops_at_each_of_its_steps():
    bench = Bench(strategy="linear", steps=(), step_percent=25.0)
    assert 0 == bench.outcome()[0]
    shares = [line.split(": ")[1].split(" %")[0] for line in bench.said if " requests failed" in line]
    assert ["25", "50", "75", "100"] == shares


def test_no_service_goes_on_before_the_other_stands_at_its_hook():
    """One service takes five times as long to start: until then the other has no client either."""
    bench = Bench()
    bench.ecs.slowness = lambda service: 5 if service == MODEL else 1
    apart: list[tuple[float, float]] = []
    tick = bench.ecs.tick

    def watched() -> None:
        tick()
        pair = bench.ecs.newest(BACKEND), bench.ecs.newest(MODEL)
        if pair[1].hooks == 0:
            apart.append((pair[0].share, pair[1].share))

    bench.ecs.tick = watched  # type: ignore[method-assign]
    assert 0 == bench.outcome()[0]
    assert {(0.0, 0.0)} <= set(apart)
    assert not [pair for pair in apart if pair[0] not in (0.0, 100.0)]


def test_a_step_lasts_as_long_as_it_is_told_from_the_moment_that_ecs_has_come_there():
    bench = Bench(step_wait=200.0, bake=300.0)
    bench.ecs.slowness = lambda service: 6 if service == MODEL else 1
    first: dict[object, float] = {}
    tick = bench.ecs.tick

    def watched() -> None:
        tick()
        pair = bench.ecs.newest(BACKEND), bench.ecs.newest(MODEL)
        if not all(one.source for one in pair):
            return
        first.setdefault(min(one.share for one in pair), bench.now)
        if "SUCCESSFUL" in (pair[0].status, pair[1].status):
            first.setdefault("over", bench.now)

    bench.ecs.tick = watched  # type: ignore[method-assign]
    assert 0 == bench.outcome()[0]
    assert first[100.0] - first[5.0] >= 200
    assert first["over"] - first[100.0] >= 300


def test_migrations_run_once_before_ecs_begins():
    bench = Bench()
    assert 0 == bench.outcome()[0]
    operations = [name for _, name, _ in bench.wire.calls]
    assert 1 == operations.count("run_task")
    assert operations.index("run_task") < operations.index("update_service")
    (request,) = bench.wire.carried_out("run_task")
    assert request["networkConfiguration"] == {
        "awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"]}
    }
    migration = bench.ecs.definitions[request["taskDefinition"]]
    assert "ontime-prod-backend-api-migrate" == migration["family"]
    assert ["-m", "backend_api.migrate"] == migration["containerDefinitions"][0]["command"]


def test_the_first_release_starts_the_tasks_and_all_clients_meet_it():
    bench = Bench(fresh=True)
    assert 0 == bench.outcome()[0], bench.said
    assert (R2, ("r2",)) == (bench.serving(), bench.history())
    assert {3} == {service.desired for service in bench.ecs.services.values()}
    assert any("the first release" in line for line in bench.said)


def test_what_autoscaling_has_added_stays():
    bench = Bench()
    for service in bench.ecs.services.values():
        service.desired = 5
    assert 0 == bench.outcome()[0]
    assert {5} == {service.desired for service in bench.ecs.services.values()}


def test_at_the_end_no_hook_is_left():
    bench = Bench()
    bench.outcome()
    assert {()} == {tuple(service.configuration["lifecycleHooks"]) for service in bench.ecs.services.values()}
    assert R2 == bench.serving()


def test_a_release_that_serves_already_is_only_read_back():
    bench = Bench()
    bench.outcome()
    bench.wire.calls.clear()
    code, said = bench.outcome(id="e2")
    assert 0 == code
    assert "served r2 already" in said
    assert [] == bench.wire.carried_out("update_service")


def test_a_later_rollback_goes_at_once_without_migrations_and_takes_the_newest_release_away():
    bench = Bench()
    bench.outcome()
    bench.wire.calls.clear()
    assert 0 == bench.outcome(bench.r1, id="e2", back=True)[0]
    assert (R1, ("r1",)) == (bench.serving(), bench.history())
    assert [] == bench.wire.carried_out("run_task")
    strategies = {r["deploymentConfiguration"]["strategy"] for r in bench.wire.carried_out("update_service")}
    assert {"ROLLING"} == strategies


def test_every_end_stands_in_the_audit():
    bench = Bench()
    bench.outcome()
    assert ["promoted", "rollout"] == [entry.action for entry in bench.store.audit("prod", 10)]
    assert {"ann"} == {entry.who for entry in bench.store.audit("prod", 10)}


# -- back -------------------------------------------------------------------------------------------------------------


def test_a_canary_that_fails_its_clients_is_rolled_back():
    bench = Bench()
    bench.candidate = (600.0, 0.5, 0.05)
    code, said = bench.outcome()
    assert (4, R1, ("r1",)) == (code, bench.serving(), bench.history())
    assert "requests (50 %," in said


def test_a_canary_that_is_slow_is_rolled_back():
    bench = Bench()
    bench.candidate = (600.0, 0.0, 9.0)
    code, said = bench.outcome()
    assert (4, R1) == (code, bench.serving())
    assert "95th percentile" in said


def test_a_step_without_clients_is_given_up_after_the_hold():
    bench = Bench()
    bench.candidate = (0.0, 0.0, 0.0)
    code, said = bench.outcome()
    assert (4, R1) == (code, bench.serving())
    assert "no verdict" in said


def test_figures_that_come_three_minutes_late_are_waited_for():
    """The default policy gives up after two minutes without evidence, which on AWS is before there can be any."""
    for failing, code in ((0.0, 0), (0.5, 4)):
        bench = Bench()
        bench.cloudwatch.late = 150.0
        bench.candidate = (600.0, failing, 0.05)
        assert code == bench.outcome()[0], bench.said


def test_failures_before_the_candidate_had_clients_are_not_its_own():
    """In one target group with it, the release before has failed its clients until then."""
    bench = Bench(strategy="rolling", steps=(), bake=300.0)
    bench.stable = (6000.0, 0.5, 0.05)
    bench.candidate = (6000.0, 0.0, 0.05)
    bench.ecs.slowness = lambda service: 25
    bench.cloudwatch.late = 120.0
    assert 0 == bench.outcome()[0], bench.said


def test_what_ecs_rolled_back_by_itself_is_never_a_success():
    """The deployment ends ROLLBACK_SUCCESSFUL: the old release serves, the exit code is 4."""
    bench = Bench()
    bench.ecs.fails = lambda service, stage, share: "an alarm went off" if share == 5 else ""
    code, said = bench.outcome()
    assert (4, R1, ("r1",)) == (code, bench.serving(), bench.history())
    assert "an alarm went off" in said
    assert {"ROLLBACK_SUCCESSFUL"} == {bench.ecs.newest(name).status for name in bench.app.services}


@pytest.mark.parametrize("service", [BACKEND, MODEL])
@pytest.mark.parametrize("stage", ["SCALE_UP", "PRODUCTION_TRAFFIC_SHIFT", "CLEAN_UP"])
def test_where_one_of_two_services_fails_both_go_back(service: str, stage: str):
    """Even at the last moment, when the other has ended already."""
    bench = Bench()
    bench.ecs.slowness = lambda name: 3 if name == service else 1
    bench.ecs.fails = lambda name, at, share: "broken" if (name, at) == (service, stage) else ""
    code, said = bench.outcome()
    assert (4, R1, ("r1",)) == (code, bench.serving(), bench.history()), bench.said
    assert service in said


def test_a_hook_that_times_out_takes_both_back():
    """The program slept for an hour; one service's hook timed out, and ECS rolled that one back."""
    bench = Bench(step_wait=600.0)
    slept = False

    def before(_: str, operation: str) -> None:
        nonlocal slept
        hook = bench.ecs.newest(BACKEND)
        if operation == "get_metric_data" and hook.share == 5 and hook.hook and not slept:
            slept = True
            hook.expires = bench.now

    bench.wire.before = before
    code, said = bench.outcome()
    assert (4, R1) == (code, bench.serving())
    assert "timed out" in said


def test_failed_migrations_end_it_before_ecs_begins():
    bench = Bench()
    bench.ecs.migration_code = 3
    code, said = bench.outcome()
    assert (4, R1) == (code, bench.serving())
    assert "before_traffic failed with exit code 3" in said
    assert [] == bench.wire.carried_out("update_service")


def test_another_digest_than_the_releases_is_never_a_success():
    """ECS says SUCCESSFUL, but the tasks run other bytes."""
    bench = Bench()
    told = bench.ecs._task

    def other(arn: str, name: str, definition: str) -> dict[str, Any]:
        task = told(arn, name, definition)
        if definition.endswith(":2"):
            task["containers"][0]["imageDigest"] = "sha256:" + "0" * 64
        return task

    bench.ecs._task = other  # type: ignore[method-assign]
    code, said = bench.outcome()
    assert (4, R1, ("r1",)) == (code, bench.serving(), bench.history())
    assert "runs 000000000000, not" in said


def test_another_model_than_the_wanted_one_is_never_a_success():
    bench = Bench()
    bench.model = "v0.9"
    code, said = bench.outcome()
    assert (4, R1) == (code, bench.serving())
    assert "answers came from model v0.9, not v1.0" in said


def test_a_first_release_that_fails_is_a_fault_and_leaves_nothing_running():
    bench = Bench(fresh=True)
    bench.ecs.fails = lambda service, stage, share: "it crashes" if bench.ecs.newest(service).desired else ""
    code, said = bench.outcome()
    assert (1, ()) == (code, bench.history())
    assert "not released" in said
    assert {0} == {service.desired for service in bench.ecs.services.values()}


# -- people -----------------------------------------------------------------------------------------------------------


def during(bench: Bench, when: Callable[[], bool], what: Callable[[], None]) -> None:
    """Do something once, at the first call of ECS at which it holds."""
    done = False

    def before(service: str, operation: str) -> None:
        nonlocal done
        if not done and operation == "describe_service_deployments" and when():
            done = True
            what()

    bench.wire.before = before


def test_abort_takes_both_back():
    bench = Bench(step_wait=300.0)
    during(bench, lambda: bench.ecs.newest(MODEL).share == 5, lambda: bench.ask("abort"))
    code, said = bench.outcome()
    assert (4, R1) == (code, bench.serving())
    assert "aborted" in said
    assert any("abort by bob: why not" in line for line in bench.said)
    assert ("abort", "bob", "why not") in [(one.action, one.who, one.why) for one in bench.store.audit("prod", 10)]


def test_promote_continues_every_hook():
    bench = Bench(step_wait=3000.0, bake=3000.0)
    during(bench, lambda: bench.ecs.newest(MODEL).share == 5, lambda: bench.ask("promote"))
    assert 0 == bench.outcome()[0]
    assert R2 == bench.serving()
    assert bench.now < 1_000_000 + 600


def test_a_paused_rollout_stays_at_its_step_until_it_is_resumed():
    bench = Bench(step_wait=20.0)
    paused: list[float] = []
    during(bench, lambda: bench.ecs.newest(MODEL).share == 5, lambda: bench.ask("pause"))
    tick = bench.ecs.tick

    def watched() -> None:
        tick()
        if bench.store.current("prod") is not None and bench.current().rollout.state.paused:
            paused.append(bench.ecs.newest(MODEL).share)
            if len(paused) == 20:
                bench.ask("resume")

    bench.ecs.tick = watched  # type: ignore[method-assign]
    assert 0 == bench.outcome()[0]
    assert {5.0} == set(paused)


def test_a_command_that_is_written_at_the_same_moment_is_taken_up_at_the_next_look():
    bench = Bench(step_wait=300.0)
    during(bench, lambda: bench.ecs.newest(MODEL).share == 5, lambda: bench.ask("pause"))
    put, raced = bench.s3.put_object, False

    def racing(**request: Any) -> dict[str, Any]:
        nonlocal raced
        if request["Key"].endswith("command.json") and request["Body"] == b"null" and not raced:
            raced = True
            raise refused("PreconditionFailed", status=412)
        return put(**request)

    bench.s3.put_object = racing  # type: ignore[method-assign]
    tick = bench.ecs.tick

    def watched() -> None:
        tick()
        if raced and bench.current().rollout.state.paused:
            bench.ask("abort")
            bench.ecs.tick = tick  # type: ignore[method-assign]

    bench.ecs.tick = watched  # type: ignore[method-assign]
    assert 4 == bench.outcome()[0]
    assert raced


# -- AWS in trouble -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "operation",
    [
        "register_task_definition", "run_task", "update_service", "describe_service_deployments",
        "list_service_deployments", "continue_service_deployment", "get_metric_data", "describe_tasks", "list_tasks",
    ],
)  # fmt: skip
def test_throttling_only_slows_it_down(operation: str):
    bench = Bench()
    bench.wire.before = once(operation, refused("ThrottlingException"), times=3)
    assert 0 == bench.outcome()[0], bench.said
    assert (R2, ("r1", "r2")) == (bench.serving(), bench.history())


def test_a_deployment_that_ecs_tells_of_late_is_waited_for():
    bench = Bench()
    bench.ecs.lag = 6
    assert 0 == bench.outcome()[0], bench.said
    assert R2 == bench.serving()


def test_a_service_that_may_not_be_updated_takes_back_the_one_that_was():
    bench = Bench()
    bench.wire.before = once("update_service", refused("AccessDeniedException", "no"), at=2)
    code, said = bench.outcome()
    assert (4, R1) == (code, bench.serving())
    assert "not allowed" in said


def test_expired_credentials_end_the_program_and_a_new_one_goes_on():
    bench = Bench()
    bench.wire.before = once("describe_service_deployments", refused("ExpiredTokenException"), at=4)
    with pytest.raises(NotLoggedIn, match="expired"):
        bench.rollout().carry_out()
    assert 0 == bench.outcome()[0]
    assert (R2, 1) == (bench.serving(), len(bench.wire.carried_out("run_task")))


def test_aws_out_of_reach_for_too_long_leaves_the_rest_to_the_hooks():
    bench = Bench()
    bench.wire.before = once(
        "describe_service_deployments", refused("ServiceUnavailable", status=503), at=4, times=10**6
    )
    code, said = bench.outcome()
    assert 1 == code
    assert "nothing could be seen" in said
    for _ in range(60):
        bench.sleep(60)
    assert R1 == bench.serving()


def test_of_two_programs_only_one_drives():
    """A second one goes on with the same rollout; the first loses at its next write, and changes nothing any more."""
    bench = Bench(step_wait=300.0)
    second: list[tuple[int, str]] = []
    during(bench, lambda: bench.ecs.newest(MODEL).share == 5, lambda: second.append(bench.outcome()))
    first = bench.outcome()
    assert 0 == second[0][0]
    assert (3, R2) == (first[0], bench.serving())
    assert "changed by somebody else" in first[1]


def test_what_a_dead_program_left_half_done_is_taken_back_before_the_next_release():
    bench = Bench(step_wait=300.0)

    def dead() -> None:
        raise KeyboardInterrupt

    during(bench, lambda: bench.ecs.newest(MODEL).share == 5, dead)
    with pytest.raises(KeyboardInterrupt):
        bench.rollout().carry_out()
    r3 = release("r3", bench.app, "4")
    assert 0 == bench.outcome(r3, id="e2")[0], bench.said
    assert ("r1", "r3") == bench.history()
    assert {r3.artifacts[name].address for name in bench.app.services} == set(bench.serving().values())
    assert any("takes back the rollout of r2" in line for line in bench.said)


# -- said before anything starts ----------------------------------------------------------------------------------------


def test_what_aws_cannot_do_is_said_by_the_plan_and_nothing_is_changed():
    bench = Bench()
    lines = bench.rollout().look_ahead()
    assert "prod: r1 → r2, canary 5 → 100 %" == lines[0]
    assert any("canary 5 → 100 % (ECS has no 25 and 50); use linear for more steps" in line for line in lines)
    assert any("before that: python -m backend_api.migrate (backend-api)" in line for line in lines)
    assert [] == [name for _, name, _ in bench.wire.calls if not name.startswith(("get_", "describe_", "list_"))]


def test_without_a_model_version_nothing_is_begun():
    bench = Bench()
    bench.ssm.values[bench.names.model_version("prod")] = "none"
    code, said = bench.outcome()
    assert (3, R1) == (code, bench.serving())
    assert "has no model version yet" in said


def test_without_terraforms_word_nothing_is_begun():
    bench = Bench()
    del bench.ssm.values[bench.names.told("prod", MODEL)]
    code, said = bench.outcome()
    assert 1 == code
    assert "/ontime/prod/services/ml-model-service" in said


def test_a_command_that_listens_on_the_loopback_alone_is_refused():
    app: App = Bench().app
    backend = app.services[BACKEND].model_copy(update={"command": "serve --host 127.0.0.1 --port {port}"})
    bench = Bench(app=app.model_copy(update={"services": {**app.services, BACKEND: backend}}))
    code, said = bench.outcome()
    assert (3, R1) == (code, bench.serving())
    assert "services.backend-api.command: nothing reaches 127.0.0.1 of a container; write {host}" in said
