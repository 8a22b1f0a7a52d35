"""The gate between a champion and its challenger, and the probation after it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.core.description.training import ModelGate, Probation
from shipway.core.training.champion import judge, on_probation
from shipway.core.training.evidence import Bounds, Evidence, evidence

GATE = ModelGate(max_bias={"DPPL": 0.2, "DI": 0.3})
BETTER = Evidence(
    labels=28_000, positives=9_000, days=31, champion=True, brier_difference=Bounds(-0.002, -0.0032, -0.0009),
    calibration_error=0.03, champion_calibration_error=0.031, latency_ratio=1.1,
    bias={"DPPL of carrier=MQ,EV": 0.1, "DI of carrier=MQ,EV": 0.9, "KL of carrier=MQ,EV": 7.0},
)  # fmt: skip
WORSE = replace(BETTER, brier_difference=Bounds(0.0051, 0.0008, 0.0107))
UNSURE = replace(BETTER, brier_difference=Bounds(-0.0007, -0.002, 0.0003))


@pytest.mark.parametrize(
    ("found", "kind", "words"),
    [
        (BETTER, "promote", "Brier score -0.0020 [-0.0032, -0.0009]: surely better than the champion, over 31 days"),
        (WORSE, "refuse", "Brier score +0.0051 [+0.0008, +0.0107]: surely worse than the champion"),
        (UNSURE, "no evidence", "not surely better"),
        (
            replace(BETTER, brier_difference=Bounds(-0.0005, -0.001, -0.0001)),
            "no evidence",
            "not surely better by 0.0003 than the champion",
        ),
        (replace(BETTER, calibration_error=0.12), "refuse", "calibration error 0.120, allowed 0.1"),
        (replace(BETTER, calibration_error=0.052), "refuse", "the champion's 0.031: allowed 0.02 more"),
        (replace(BETTER, latency_ratio=3.5), "refuse", "3.50 times the champion's latency, allowed 3"),
        (replace(BETTER, bias={**BETTER.bias, "DPPL of origin=EWR": -0.3}), "refuse", "DPPL of origin=EWR is -0.300"),
        (replace(BETTER, bias={**BETTER.bias, "DI of origin=EWR": 0.6}), "refuse", "is 0.600, allowed 0.3 from 1"),
        (replace(BETTER, labels=999), "hold", "999 of 1,000 labels known"),
        (replace(BETTER, labels=0, positives=0, days=0), "hold", "0 of 1,000 labels known"),
        (replace(BETTER, days=13), "hold", "labels of 13 of 14 days known"),
        (replace(BETTER, positives=0), "hold", "all 28,000 labels are the same"),
        (replace(BETTER, positives=28_000), "hold", "all 28,000 labels are the same"),
        (replace(BETTER, bias={}), "hold", "bias: there is no DPPL"),
        (replace(BETTER, bias={**BETTER.bias, "DI of origin=XXX": None}), "hold", "bias: DI cannot be computed"),
        (replace(BETTER, brier_difference=None, lacks="the champion is onnx"), "hold", "the champion is onnx"),
        (replace(BETTER, latency_ratio=None), "hold", "latency were not compared"),
        (replace(BETTER, calibration_error=None), "hold", "calibration error is not known"),
    ],
)
def test_every_verdict_says_why(found: Evidence, kind: str, words: str) -> None:
    """Surely better and within every limit is promoted; whatever stands in the way is said with its figures."""
    decision = judge(GATE, found)
    assert kind == decision.kind
    assert words in "; ".join(decision.reasons)


def test_the_first_model_has_limits_too() -> None:
    """Without a champion nothing is compared, and the absolute limits count."""
    first = replace(BETTER, champion=False, brier_difference=None, champion_calibration_error=None, latency_ratio=None)
    assert "promote" == judge(GATE, first).kind
    assert "refuse" == judge(GATE, replace(first, calibration_error=0.2)).kind


def test_all_that_speaks_against_it_is_said() -> None:
    """One reason each for a worse score, calibration and latency."""
    found = replace(WORSE, calibration_error=0.11, champion_calibration_error=0.1, latency_ratio=9.0)
    assert 3 == len(judge(GATE, found).reasons)


EARLY = replace(WORSE, days=20, brier_difference=Bounds(0.0051, 0.0008, 0.0107, 0.0016))


@pytest.mark.parametrize(
    ("found", "kind", "words"),
    [
        (WORSE, "back", "[+0.0008, +0.0107]: surely worse than the champion before it, over 31 days"),
        (BETTER, "keep", "not surely worse"),
        (UNSURE, "keep", "not surely worse"),
        (EARLY, "back", "worse beyond doubt than the champion before it, over 20 days"),
        (replace(EARLY, days=13), "wait", "labels of 13 of 14 days known"),
        (replace(EARLY, brier_difference=Bounds(0.0051, 0.0008, 0.0107, 0.0018)), "wait", "of 20 of 21 days known"),
        (replace(WORSE, days=20), "wait", "of 20 of 21 days known; Brier score +0.0051"),
        (replace(BETTER, days=20), "wait", "of 20 of 21 days known"),
        (replace(WORSE, labels=10), "wait", "10 of 1,000 labels known"),
        (replace(WORSE, brier_difference=None, lacks="the shadow was not asked"), "wait", "the shadow was not asked"),
    ],
)
def test_a_promotion_is_on_probation(found: Evidence, kind: str, words: str) -> None:
    """Only a loss that is surely greater brings the old champion back; too few labels bring nothing."""
    decision = on_probation(GATE, Probation(), found)
    assert kind == decision.kind
    assert words in decision.reason


FIGURES = st.floats(-0.5, 0.5)
ANY = st.builds(
    Evidence,
    labels=st.integers(0, 5000), positives=st.integers(0, 5000), days=st.integers(0, 40), champion=st.booleans(),
    brier_difference=st.none() | st.tuples(FIGURES, FIGURES, FIGURES).map(lambda three: Bounds(*sorted(three))),
    calibration_error=st.none() | st.floats(0, 0.3), champion_calibration_error=st.none() | st.floats(0, 0.3),
    latency_ratio=st.none() | st.floats(0.1, 9),
    bias=st.dictionaries(st.sampled_from(["DPPL of a=b", "DI of a=b"]), st.none() | FIGURES),
)  # fmt: skip


@given(ANY)
def test_nothing_is_promoted_without_proof(found: Evidence) -> None:
    """Whatever is missing or odd: a reason is given, and a promotion has figures for all that it promises."""
    decision = judge(GATE, found)
    assert all(decision.reasons)
    if decision.kind == "promote":
        assert found.labels >= GATE.min_labels
        assert found.days >= GATE.min_days
        assert 0 < found.positives
        assert not found.champion or (
            found.brier_difference is not None and found.brier_difference.high < -GATE.min_improvement
        )


@given(ANY, st.floats(0.001, 0.2))
def test_a_worse_challenger_has_no_better_chance(found: Evidence, more: float) -> None:
    """With a greater loss, all else equal, a challenger that was not promoted is not promoted either."""
    if found.brier_difference is None or not found.champion or judge(GATE, found).kind == "promote":
        return
    difference = found.brier_difference
    lost = Bounds(difference.value + more, difference.low + more, difference.high + more)
    assert "promote" != judge(GATE, replace(found, brier_difference=lost)).kind


def test_the_steps_files_become_evidence() -> None:
    """What evaluate and bias write is read as it stands; null and NaN are what cannot be computed."""
    figures = {"value": -0.1, "low": -0.2, "high": float("nan"), "deviation": 0.1}
    evaluation = {
        "rows": 5, "positives": 2, "days": 1, "champion_expected": True, "candidate": {"calibration_error": 0.1},
        "champion": None, "comparison": {"brier_difference": figures, "error": "found a onnx model"},
    }  # fmt: skip
    metrics = [{"name": "DPPL", "value": 0.1}, {"name": "DI", "value": None, "error": "none"}]
    groups = [{"value_or_threshold": "EWR", "metrics": metrics}]
    found = evidence(evaluation, {"ratio": 2}, {"post_training_bias_metrics": {"facets": {"origin": groups}}})
    wanted = Evidence(
        labels=5, positives=2, days=1, champion=True, calibration_error=0.1, latency_ratio=2.0,
        bias={"DPPL of origin=EWR": 0.1, "DI of origin=EWR": None}, lacks="found a onnx model",
    )  # fmt: skip
    assert wanted == found
    with pytest.raises(ValueError, match="not what they must be"):
        evidence({"rows": 5}, {}, {})
