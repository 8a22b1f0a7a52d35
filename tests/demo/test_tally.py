"""The counting rules: steps, releases, cohorts, quantiles."""

from __future__ import annotations

import statistics

from hypothesis import given
from hypothesis import strategies as st

from shipway.demo.tally import Latencies, Outcome, Tally


def _outcome(device: str, release: str, at: float, **rest: object) -> Outcome:
    return Outcome(device, at, at, at + 0.1, release=release, **rest)  # type: ignore[arg-type]


def _kinds(*outcomes: Outcome) -> dict[str, int]:
    tally = Tally("step", 1.0)
    for outcome in outcomes:
        tally.add(outcome, tally.step)
    return tally.step.kinds


def test_growing_cohorts_and_a_whole_rollback_are_right() -> None:
    """Devices move to the candidate one by one, and all come back at once: nothing is wrong with that."""
    assert {} == _kinds(
        _outcome("a", "r1", 1), _outcome("b", "r1", 2), _outcome("a", "r2", 3), _outcome("b", "r1", 4),
        _outcome("b", "r2", 5), _outcome("a", "r1", 6), _outcome("b", "r1", 7), _outcome("a", "r3", 8),
        _outcome("b", "r1", 9), _outcome("b", "r3", 10),
    )  # fmt: skip


def test_coming_back_while_others_stay_is_wrong() -> None:
    """After one device came back from the candidate, nobody may reach it any more."""
    assert {"cohort": 1} == _kinds(
        _outcome("a", "r1", 1), _outcome("a", "r2", 2), _outcome("a", "r1", 3), _outcome("b", "r2", 4)
    )


def test_what_overlaps_proves_nothing() -> None:
    """A candidate's answer to a request that was under way during the rollback is right."""
    late = Outcome("b", 2.5, 2.5, 4.0, release="r2")
    assert {} == _kinds(_outcome("a", "r1", 1), _outcome("a", "r2", 2), _outcome("a", "r1", 3), late)


def test_times_of_a_bad_release_are_kept() -> None:
    """A release's first, first bad and last answer can be told, which gives the seconds of a rollback."""
    tally = Tally("bad", 1.0)
    for at, failure in ((1.0, None), (2.0, "status"), (3.0, None), (4.0, "status")):
        tally.add(_outcome("a", "r2", at, failure=failure, detail="oops"), tally.step)
    seen = tally.summary()["steps"][0]["releases"]["r2"]
    assert {
        "answers": 4, "failed": 2, "devices": 1, "first": 1.1, "last": 4.1, "first_failure": 2.1, "example": "oops",
    } == seen  # fmt: skip


def test_a_request_belongs_to_the_step_it_was_sent_in() -> None:
    """An answer that comes after the next step began counts for the step before."""
    tally = Tally("first", 1.0)
    first = tally.step
    tally.mark("second", 2.0)
    tally.add(_outcome("a", "r1", 1.95), first)
    tally.add(_outcome("a", "r1", 2.0, failure="reset"), tally.step)
    assert [("first", 0), ("second", 1)] == [(step["name"], step["failed"]) for step in tally.summary()["steps"]]


@given(st.lists(st.floats(min_value=0.0001, max_value=50), min_size=1, max_size=200), st.sampled_from([0.5, 0.95]))
def test_quantiles_are_exact_within_two_percent(samples: list[float], share: float) -> None:
    """The histogram's quantile is the sample's own, at most 2 % above."""
    latencies = Latencies()
    for sample in samples:
        latencies.add(sample)
    ordered = sorted(samples)
    exact = next(value for n, value in enumerate(ordered, 1) if n >= share * len(ordered))
    assert exact * 0.999 <= latencies.quantile(share) <= exact * 1.021
    assert statistics.fmean(samples) <= latencies.longest * 1.001
