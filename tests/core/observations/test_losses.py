"""How far predictions were from what came true."""

from __future__ import annotations

from shipway.core.observations.losses import Losses


def test_losses_of_two_tasks_are_those_of_all_their_predictions() -> None:
    """Counts, sums and squares add up, and with them mean and variance of the mean."""
    together = Losses(2, 3.0, 5.0) + Losses(1, 6.0, 36.0)
    assert Losses(3, 9.0, 41.0) == together
    assert (3.0, 14.0 / 2 / 3) == (together.mean, together.variance)


def test_no_losses_have_a_mean_of_zero() -> None:
    """Nothing is divided by nothing."""
    assert 0.0 == Losses().mean
