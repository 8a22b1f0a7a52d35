"""Which promises a step's figures break, and how the result is shown."""

from __future__ import annotations

from typing import Any

from shipway.core.contract.cohorts import is_within
from shipway.demo.promises import (
    check_fleet,
    check_replay,
    check_step,
    check_taken_back,
    rollback_seconds,
    swap_seconds,
)
from shipway.demo.report import Result, StepResult
from shipway.demo.story import Months, StoryStep

GOOD = StoryStep(name="good", tell="…", patch="x", commit="y")
BAD = StoryStep(name="bad", tell="…", patch="x", commit="y", ends="rolled_back", candidate_may_fail=True)
ROLLOUT = {"release": "r3", "shares": "10 → 50 → 100 %", "step": 1}


def _release(failed: int = 0, devices: int = 40, **times: float) -> dict[str, Any]:
    return {
        "answers": 100,
        "failed": failed,
        "devices": devices,
        "first": 1.0,
        "last": 9.0,
        "first_failure": None,
        "example": "oops",
    } | times


def _seen(**releases: dict[str, Any]) -> dict[str, Any]:
    failed = sum(release["failed"] for release in releases.values())
    return {"sent": 1000, "failed": failed, "kinds": {"status": failed}, "releases": releases, "versions": {}}


def test_a_bad_bundle_stays_within_its_share_and_on_no_device() -> None:
    """Devices beyond the share, devices that still have it, and a bundle that nobody ran break the promise."""
    step = StoryStep(name="bad app", tell="…", patch="x", commit="y", bundle="back")
    inside = [device for device in (f"phone-{n}" for n in range(99)) if is_within(device, 25)]
    outside = next(f"phone-{n}" for n in range(99) if f"phone-{n}" not in inside)
    assert [] == check_taken_back(step, inside, 25, 0)
    assert [
        "bad app: 1 devices beyond 25 % met the bundle",
        "bad app: 2 devices that call still have the bundle",
    ] == check_taken_back(step, [*inside, outside], 25, 2)
    assert ["bad app: no device ever ran the bundle, so nothing was shown"] == check_taken_back(step, [], 25, 0)
    assert [] == check_fleet("x", 10, 0, "")
    assert ["x: 2 of 1,000 requests of devices failed, such as: oops"] == check_fleet("x", 1000, 2, "oops")


def test_a_replay_says_what_was_promised() -> None:
    """Verdicts of monitor and gate by month, and no failed request."""
    promised: dict[str, Any] = {"from": "2020-02", "to": "2020-03", "monitor": {"2020-02": "quiet", "2020-03": "drift"}}
    months = Months(name="later", tell="…", gate={"2020-03": "no evidence"}, **promised)
    quiet = {"month": "2020-02", "verdict": "quiet", "reason": "as before", "decision": None, "decided": ""}
    drift = {"month": "2020-03", "verdict": "drift", "reason": "x", "decision": "no evidence", "decided": "so much"}
    played = {"requests": 90, "outcomes": 80, "failed": 0, "months": [quiet, drift]}
    assert [] == check_replay(months, played)
    assert [
        "later: 2 of 170 requests failed",
        "later: 2020-03: quiet, expected drift: as before",
        "later: 2020-03: None, expected no evidence: ",
    ] == check_replay(months, played | {"failed": 2, "months": [quiet, quiet | {"month": "2020-03"}]})
    assert "later: 2020-03 was not played" in check_replay(months, played | {"months": [quiet]})


def test_no_failure_breaks_no_promise() -> None:
    """Zero failures is what every step promises."""
    assert [] == check_step(GOOD, _seen(r1=_release(), r2=_release()), ROLLOUT, 400)


def test_one_failure_in_a_good_step_is_told() -> None:
    """A single failure is named with its kind and release."""
    assert ["good: 1 of 1,000 requests failed (status 1; 1 of r1, such as: oops)"] == check_step(
        GOOD, _seen(r1=_release(1), r2=_release()), ROLLOUT, 400
    )


def test_the_candidates_cohort_may_fail() -> None:
    """Failures that the bad candidate answered are what the canary let through."""
    assert [] == check_step(BAD, _seen(r2=_release(), r3=_release(20)), ROLLOUT, 400)


def test_stables_cohort_may_not_fail() -> None:
    """A failure outside of the candidate's cohort breaks the promise, even in the bad step."""
    assert ["bad: 1 requests failed that r3 did not answer: status 21"] == check_step(
        BAD, _seen(r2=_release(1), r3=_release(20)), ROLLOUT, 400
    )


def test_the_cohort_is_no_larger_than_its_weight() -> None:
    """More devices than the step's share, beyond chance, is told."""
    assert ["bad: 90 of 400 devices met r3 at a weight of 10%"] == check_step(
        BAD, _seen(r2=_release(), r3=_release(20, devices=90)), ROLLOUT, 400
    )


def test_a_bad_candidate_that_never_failed_shows_nothing() -> None:
    """The bad step must have been bad."""
    assert ["bad: r3 never failed, so nothing was shown"] == check_step(BAD, _seen(r2=_release()), ROLLOUT, 400)


def test_rollback_seconds_run_from_the_first_bad_answer_to_the_last_of_the_candidate() -> None:
    """What clients felt, not what the daemon says."""
    seen = _seen(r2=_release(), r3=_release(5, first_failure=7.5))
    assert 1.5 == rollback_seconds(seen, "r3")
    assert None is rollback_seconds(seen, "r2")


def test_swap_seconds_run_from_the_pointer_to_the_last_old_answer() -> None:
    """A swap is over when no answer carries another version."""
    seen = _seen(r1=_release()) | {"versions": {"v1.0": {"last": 5.4}, "v1.1": {"last": 9.0}}}
    assert 0.4 == round(swap_seconds(seen, "v1.1", 5.0) or 0, 6)


def test_the_result_as_json_and_as_a_table() -> None:
    """The object has the agreed keys; the table says the same."""
    steps = [StepResult("one", 1.26, 100, 0), StepResult("two", 2.0, 1000, 3, rollback_seconds=1.2, bundle_seconds=0.5)]
    result = Result(steps)
    assert {
        "ok": True,
        "steps": [
            {"name": "one", "seconds": 1.3, "sent": 100, "failed": 0},
            {"name": "two", "seconds": 2.0, "sent": 1000, "failed": 3},
        ],
        "sent": 1100,
        "failed": 3,
        "rollback_seconds": 1.2,
        "model_swap_seconds": None,
        "bundle_back_seconds": 0.5,
        "broken": [],
    } == result.as_json()
    assert [
        "step  seconds  requests  failed  rollback  swap  bundle back",
        "─" * 60,
        "one       1.3       100       0",
        "two       2.0     1,000       3    1.20 s             0.50 s",
        "─" * 60,
        "all       3.3     1,100       3",
    ] == result.table()
