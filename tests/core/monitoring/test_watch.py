"""What a window of a model's traffic means."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shipway.core.monitoring.watch import BLIND, Seen, Violation, judge

DRIFT = Violation("late", "baseline_drift_check", "Robust distance 0.2 from the baseline; threshold 0.1")
WEATHER = Violation("temp", "baseline_drift_check", "Robust distance 0.5 from the baseline; threshold 0.1")
GONE = Violation("origin", "missing_column_check", "the column is in the baseline and not in the data")
TORN = Violation("", "unreadable_lines_check", "30 of 1000 lines; 1% may be")
CHECKS = (
    "baseline_drift_check", "completeness_check", "missing_column_check", "unreadable_lines_check", "data_type_check",
)  # fmt: skip


def seen(*violations: Violation, rows: int = 1000) -> Seen:
    return Seen(rows, rows, {}, violations)


def test_what_may_trigger_is_drift_and_the_rest_is_noted():
    verdict = judge(seen(WEATHER, DRIFT), ["late"], 200)
    assert ("drift", (DRIFT,), (WEATHER,)) == (verdict.state, verdict.causes, verdict.noted)
    assert "late: Robust distance 0.2 from the baseline; threshold 0.1" == verdict.reason


def test_only_noted_violations_are_quiet():
    verdict = judge(seen(WEATHER), ["late"], 200)
    assert ("quiet", (), (WEATHER,)) == (verdict.state, verdict.causes, verdict.noted)


def test_without_triggers_everything_counts():
    verdict = judge(seen(WEATHER, DRIFT), [], 200)
    assert ("drift", (WEATHER, DRIFT), True) == (verdict.state, verdict.causes, verdict.reason.endswith("(and 1 more)"))


def test_too_few_rows_and_data_that_cannot_be_judged_hold():
    """Never "no drift": a column that is gone, torn lines, an empty month."""
    assert "hold" == judge(seen(DRIFT, rows=199), ["late"], 200).state
    assert "hold" == judge(seen(rows=0), [], 1).state
    assert ("hold", (GONE,)) == (
        judge(seen(GONE, DRIFT), ["origin", "late"], 200).state,
        judge(seen(GONE), [], 1).causes,
    )
    assert "hold" == judge(seen(TORN), ["late"], 200).state
    assert "drift" == judge(seen(GONE, DRIFT), ["late"], 200).state


VIOLATIONS = st.lists(
    st.builds(Violation, st.sampled_from(["", "a", "b"]), st.sampled_from(CHECKS), st.just("x")), max_size=5
)


@given(VIOLATIONS, st.lists(st.sampled_from(["a", "b"]), unique=True), st.integers(0, 400), st.integers(1, 400))
def test_quiet_needs_rows_and_nothing_that_counts(violations, triggers, rows, least):
    verdict = judge(seen(*violations, rows=rows), triggers, least)
    counting = [one for one in violations if not triggers or one.feature in triggers]
    torn = [one for one in violations if one.check in BLIND and not one.feature]
    assert (verdict.state == "quiet") == (rows >= least and not counting and not torn)
    assert verdict.reason
