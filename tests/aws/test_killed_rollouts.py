"""A program that is killed at any moment is started again and goes on; whatever comes, both services end on one release."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.aws.doubles import Killed, refused
from tests.aws.rollout_bench import BACKEND, MODEL, Bench

R1, R2 = {BACKEND: "r1", MODEL: "r1"}, {BACKEND: "r2", MODEL: "r2"}
WRITES = {
    "put_object", "register_task_definition", "run_task", "update_service", "continue_service_deployment",
    "stop_service_deployment",
}  # fmt: skip
"""Between two of these nothing changes: to be killed there is to be killed right after the first one."""


class Fate:
    """Kills the program at calls that write, counted over all of its lives: before the call, or once it was carried out."""

    def __init__(self, bench: Bench, before: set[int], after: set[int]) -> None:
        self._before, self._after, self.writes = before, after, 0
        bench.wire.before, bench.wire.after = self.before, self.after

    def before(self, _: str, operation: str) -> None:
        self.writes += operation in WRITES
        if operation in WRITES and self.writes in self._before:
            raise Killed

    def after(self, _: str, operation: str) -> None:
        if operation in WRITES and self.writes in self._after:
            raise Killed


def lives(bench: Bench) -> tuple[int, str]:
    """The outcome of as many programs as it takes."""
    for _ in range(50):
        try:
            outcome = bench.outcome()
        except Killed:
            bench.sleep(30)
        else:
            bench.wire.before = bench.wire.after = lambda service, operation: None
            return outcome
    raise AssertionError("it never ends")


def writes_of(bench: Bench) -> int:
    fate = Fate(bench, set(), set())
    bench.outcome()
    return fate.writes


def quick(*, bad: bool = False) -> Bench:
    bench = Bench(strategy="blue_green", steps=(), bake=60.0)
    if bad:
        bench.candidate = (600.0, 0.5, 0.05)
    return bench


def test_a_rollout_that_is_killed_between_any_two_steps_goes_on_to_the_end():
    count = writes_of(quick())
    assert count > 15
    for n in range(1, count + 1):
        bench = quick()
        Fate(bench, set(), {n})
        code, said = lives(bench)
        assert (0, R2, ("r1", "r2")) == (code, bench.serving(), bench.history()), (n, said, bench.said)
        tokens = {request["clientToken"] for request in bench.wire.carried_out("run_task")}
        assert 1 == len(tokens), "the migration runs once"


def test_a_return_that_is_killed_between_any_two_steps_goes_on_to_the_end():
    count = writes_of(quick(bad=True))
    for n in range(1, count):
        bench = quick(bad=True)
        Fate(bench, set(), {n})
        code, said = lives(bench)
        assert (4, R1, ("r1",)) == (code, bench.serving(), bench.history()), (n, said, bench.said)


stages = st.sampled_from(["SCALE_UP", "PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT", "CLEAN_UP"])


@settings(max_examples=30, deadline=None)
@given(
    strategy=st.sampled_from(["canary", "linear", "blue_green", "rolling", "all_at_once"]),
    slow=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    failing=st.none()
    | st.tuples(st.sampled_from([BACKEND, MODEL]), stages, st.sampled_from([0.0, 5.0, 20.0, 40.0, 100.0])),
    bad=st.booleans(),
    lag=st.integers(0, 8),
    kills=st.sets(st.integers(1, 60), max_size=3),
    late_kills=st.sets(st.integers(1, 60), max_size=3),
    throttled=st.sets(st.integers(1, 200), max_size=20),
    command=st.none() | st.tuples(st.integers(1, 40), st.sampled_from(["pause", "promote", "abort"])),
)
def test_whatever_comes_both_services_end_on_one_release_and_the_code_says_which(
    strategy, slow, failing, bad, lag, kills, late_kills, throttled, command
):
    bench = Bench(strategy=strategy, steps=(5.0,) if strategy == "canary" else (), step_wait=20.0, bake=30.0)
    bench.ecs.slowness = lambda service: slow[service == MODEL]
    bench.ecs.lag = lag
    bench.ecs.fails = lambda *where: "broken" if where == failing else ""
    if bad:
        bench.candidate = (600.0, 0.5, 0.05)
    fate = Fate(bench, kills, late_kills)
    calls = 0

    def before(service: str, operation: str) -> None:
        nonlocal calls
        calls += 1
        if command is not None and calls == 5 * command[0] and operation == "describe_service_deployments":
            bench.ask(command[1])
        if calls in throttled:
            raise refused("ThrottlingException")
        fate.before(service, operation)

    bench.wire.before = before
    code, said = lives(bench)
    told = (code, said, bench.said)
    if code == 0:
        assert (R2, "r2") == (bench.serving(), bench.history()[-1]), told
    else:
        assert (4, R1, ("r1",)) == (code, bench.serving(), bench.history()), told
