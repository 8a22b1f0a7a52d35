"""When a drift may start a training."""

from __future__ import annotations

from shipway.core.monitoring.retraining import Training, refusal

DAY = 86400.0


def test_one_at_a_time_and_not_before_the_cooldown_is_over() -> None:
    """Whoever started the one before."""
    assert "" == refusal([], 0.0, 7 * DAY)
    assert "training 7 is under way" == refusal([Training("7", 0.0, True)], 30 * DAY, 7 * DAY)
    assert "training 7 began 2 d ago; the cooldown is 7 d" == refusal([Training("7", 0.0, False)], 2 * DAY, 7 * DAY)
    assert "" == refusal([Training("7", 0.0, False)], 7 * DAY, 7 * DAY)
    assert "training 6 is under way" == refusal([Training("7", 0.0, False), Training("6", 0.0, True)], 9 * DAY, DAY)


def test_a_clock_that_was_set_back_is_no_fault() -> None:
    """The training then began in the future."""
    assert "training 7 began 0 s ago; the cooldown is 1 d" == refusal([Training("7", 100.0, False)], 0.0, DAY)
