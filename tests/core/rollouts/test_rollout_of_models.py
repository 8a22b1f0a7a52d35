"""The rollout machine where the model differs: what its predictions and labels decide."""

from __future__ import annotations

from dataclasses import replace

from shipway.core.contract.distribution import Distribution
from shipway.core.observations.losses import Losses
from shipway.core.observations.observation import Side, Tasks
from shipway.core.observations.predictions import TaskPredictions
from shipway.core.verdicts.verdict import Count
from tests.core.looks import look, of_models, plan_of_models, play, predicted, to_shifting


def test_a_shifted_model_is_rolled_back() -> None:
    """Though no request failed: its predictions since the first shift lie elsewhere than stable's."""
    plan = plan_of_models(needed=True)
    state = play(plan, of_models(2, (6, 0.9), (9000, 0.3)), state=to_shifting(plan))
    assert "shifting" == state.phase
    state = play(plan, of_models(3, (206, 0.9), (9200, 0.3)), state=state)
    assert "rolled_back" == state.phase
    assert "predictions shifted by more than 8" in state.reason


def test_stables_past_is_not_compared() -> None:
    """What stable predicted before the candidate took clients may have been another day's."""
    plan = plan_of_models(needed=True)
    state = play(plan, of_models(2, (0, 0.3), (9000, 0.9)), state=to_shifting(plan))
    later = replace(
        of_models(8, (300, 0.3), (0, 0.3)),
        predictions={
            "green": predicted(300, 0.3, task="green"),
            "blue": (TaskPredictions("blue", "e", Distribution(9300, 8190.0, ((0.29, 0.3, 300), (0.89, 0.9, 9000)))),),
        },
    )
    state = play(plan, later, state=state)
    assert ("shifting", 2500) == (state.phase, state.weight)


def test_a_canary_of_a_model_waits_for_predictions_and_not_for_ever() -> None:
    """Requests alone do not pass its steps; a hold that outlasts its timeout rolls back."""
    plan = plan_of_models(needed=True)
    state = play(plan, of_models(2, (0, 0.3), (9000, 0.3)), state=to_shifting(plan))
    state = play(plan, of_models(20, (199, 0.3), (9999, 0.3), requests=500), state=state)
    assert ("shifting", 500, "199 of 200 predictions seen of candidate") == (state.phase, state.weight, state.verdict)
    assert 2500 == play(plan, of_models(21, (200, 0.3), (9999, 0.3), requests=500), state=state).weight
    assert state.waiting is not None
    assert (Count("predictions", 199, 200), Count("predictions", 999, 200, "stable")) == state.waiting.counts
    late = play(plan, of_models(140, (199, 0.3), (9999, 0.3), requests=500), state=state)
    assert "rolled_back" == late.phase
    assert "199 of 200 predictions" in late.reason


def test_a_canary_of_a_model_counts_requests_and_predictions_of_both_sides() -> None:
    """Everything that it lacks is told together, not one after the other."""
    plan = plan_of_models(needed=True)
    state = play(plan, of_models(2, (0, 0.3), (9000, 0.3), requests=0), state=to_shifting(plan))
    state = play(plan, of_models(3, (7, 0.3), (9130, 0.3), requests=7), state=state)
    assert state.waiting is not None
    assert (
        Count("requests", 7, 50),
        Count("predictions", 7, 200),
        Count("predictions", 130, 200, "stable"),
    ) == state.waiting.counts


def test_another_release_does_not_wait_for_predictions() -> None:
    """Where more than the model differs, few predictions hold nothing up, and neither does a service that tells none."""
    plan = plan_of_models(needed=False)
    state = play(plan, of_models(2, (0, 0.3), (9000, 0.3)), state=to_shifting(plan))
    assert 2500 == play(plan, of_models(8, (9, 0.9), (9100, 0.3)), state=state).weight
    assert 2500 == play(plan, look(8, requests=100), state=state).weight


def test_predictions_for_probes_do_not_count() -> None:
    """The app's own requests are always the same few, so what was counted up to a probe is left out."""
    plan = plan_of_models(needed=False)
    state = play(plan, of_models(2, (0, 0.9), (9000, 0.3)), state=to_shifting(plan))
    state = play(plan, of_models(3, (500, 0.9), (9500, 0.3), probed=True), state=state)
    assert "shifting" == state.phase
    state = play(plan, of_models(4, (600, 0.9), (9999, 0.3)), state=state)
    assert "shifting" == state.phase
    assert "rolled_back" == play(plan, of_models(5, (700, 0.9), (9999, 0.3)), state=state).phase


def test_a_dead_stable_has_no_predictions_to_compare_with() -> None:
    """A model that mends what stable broke can be brought while stable is down."""
    plan = plan_of_models(needed=True)
    state = play(plan, of_models(2, (0, 0.9), (9000, 0.3)), state=to_shifting(plan))
    dead = replace(of_models(8, (500, 0.9), (9000, 0.3)), tasks={"green": Tasks(3, 3), "blue": Tasks(3, 0)})
    assert 2500 == play(plan, dead, state=state).weight


def test_labels_speak_against_a_model_whose_predictions_look_alike() -> None:
    """Where they are known in time; without them nothing is waited for."""
    plan = plan_of_models(needed=False)
    state = play(plan, of_models(2, (0, 0.3), (9000, 0.3)), state=to_shifting(plan))
    losses: dict[Side, Losses] = {"green": Losses(500, 150.0, 50.0), "blue": Losses(5000, 1000.0, 300.0)}
    known = replace(of_models(8, (300, 0.3), (9900, 0.3)), losses=losses)
    rolled_back = play(plan, known, state=state)
    assert "rolled_back" == rolled_back.phase
    assert "squared error 0.3, stable 0.2" in rolled_back.reason
    few = replace(known, losses={**losses, "green": Losses(100, 30.0, 10.0)})
    assert 2500 == play(plan, few, state=state).weight
