"""Why a step ran, or why its result was used again; and what searches and bias reports come to."""

from __future__ import annotations

import pytest

from shipway.core.training.reasons import reason
from shipway.core.training.steps import StepDone
from shipway.core.training.training_run import BiasReport, Search, bias_report, search_of
from tests.doubles.training import analysis, tuning


def step(*, reused: bool, **parts: str) -> StepDone:
    return StepDone("train", "d1", 1.0, reused, {}, {"program": "p1", "parameters": "1", **parts})


@pytest.mark.parametrize(
    ("done", "before", "words"),
    [
        (step(reused=False), None, "the first of its kind"),
        (step(reused=True), None, "its result was there already"),
        (step(reused=True), step(reused=False), "nothing has changed since run 3"),
        (step(reused=False), step(reused=False), "its result was gone, or had been altered"),
        (step(reused=False, program="p2"), step(reused=False), "changed since run 3: program"),
        (
            step(reused=False, program="p2", flights="f1"),
            step(reused=False, flights="f2", weather="w1"),
            "changed since run 3: program, flights, weather",
        ),
        (
            step(reused=True, parameters="2"),
            step(reused=False),
            "changed since run 3: parameters; its result was there already",
        ),
    ],
)
def test_a_step_says_why(done: StepDone, before: StepDone | None, words: str) -> None:
    """By what it was made of then and now."""
    assert words == reason(done, before, "3")


def test_a_search_is_told_by_its_best_and_its_first_trial() -> None:
    """The first is the training without a search; given-up trials are counted."""
    assert Search(3, 1, {"leaves": "63"}, 0.14, 0.15, reproducible=True) == search_of(tuning())
    assert not search_of(tuning(jobs=4)).reproducible
    for wrong in ({}, {**tuning(), "first": {}}, {**tuning(), "best": {"parameters": {}, "brier": None}}):
        with pytest.raises(ValueError, match="not what they must be"):
            search_of(wrong)


def test_a_bias_report_says_what_is_worse() -> None:
    """None where there was nothing to compare with is not the same as nothing worse."""
    found = analysis("DPPL")
    worse = BiasReport("about service", ("DPPL of origin=EWR: Value 0.3000",))
    assert worse == bias_report(found["analysis.json"], found["constraint_violations.json"])
    assert BiasReport("about service", ()) == bias_report(found["analysis.json"], {"violations": []})
    assert BiasReport("", None) == bias_report({}, None)
    with pytest.raises(ValueError, match="not what they must be"):
        bias_report({}, {"violations": [1]})
