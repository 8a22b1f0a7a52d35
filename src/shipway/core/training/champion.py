"""Whether a challenger may take the champion's place; and, once it has, whether the champion should come back.

Both are decided by bounds that come from drawing days (`training/README.md`), never by the figures alone: by row, most
challengers of a year look surely better or surely worse, by day few do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from shipway.core.description.training import ModelGate, Probation
from shipway.core.training.evidence import Evidence

_BEYOND_DOUBT = 3.0
"""Deviations. Whoever looks again and again must ask for more than at the one look that decides (Haybittle and Peto)."""
_NO_BIAS = {"DI": 1.0}
"""The value of a metric where there is no bias; 0 for the others."""


@dataclass(frozen=True, slots=True)
class Decision:
    """`promote`; `refuse`: worse, or beyond a limit; `no evidence`: not surely better; `hold`: nothing can be said."""

    kind: Literal["promote", "refuse", "no evidence", "hold"]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProbationVerdict:
    """`keep` the new champion, bring the old one `back`, or `wait` for more labels."""

    kind: Literal["keep", "back", "wait"]
    reason: str


def judge(gate: ModelGate, found: Evidence) -> Decision:
    """Whether the challenger may be registered as the next champion."""
    if lacking := [*_lacking(gate, found)]:
        return Decision("hold", tuple(lacking))
    if beyond := [*_worse(found), *_beyond(gate, found)]:
        return Decision("refuse", tuple(beyond))
    if not found.champion:
        return Decision("promote", ("there is no champion, and every limit is kept",))
    difference = found.brier_difference
    assert difference is not None
    said = f"Brier score {_signed(difference.value)} [{_signed(difference.low)}, {_signed(difference.high)}]"
    over = f"than the champion, over {found.days} days"
    if difference.high < -gate.min_improvement:
        return Decision("promote", (f"{said}: surely better {over}",))
    if difference.high < 0:
        return Decision("no evidence", (f"{said}: not surely better by {gate.min_improvement:g} {over}",))
    return Decision("no evidence", (f"{said}: not surely better {over}",))


def on_probation(gate: ModelGate, probation: Probation, found: Evidence) -> ProbationVerdict:
    """What the next labelled window says of a promotion; `found` has the new champion as the challenger of the old.

    It is asked at each look. The first one with `probation.days` decides; until then only what is beyond doubt does.
    """
    if lacking := [*_too_few(gate, found)]:
        return ProbationVerdict("wait", lacking[0])
    difference = found.brier_difference
    if difference is None:
        return ProbationVerdict("wait", found.lacks or "the two models were not compared")
    said = f"Brier score {_signed(difference.value)} [{_signed(difference.low)}, {_signed(difference.high)}]"
    over = f"than the champion before it, over {found.days} days"
    if found.days < probation.days:
        if difference.deviation is not None and difference.value > _BEYOND_DOUBT * difference.deviation:
            return ProbationVerdict("back", f"{said}: worse beyond doubt {over}")
        return ProbationVerdict("wait", f"labels of {found.days} of {probation.days} days known; {said} so far")
    if difference.low > 0:
        return ProbationVerdict("back", f"{said}: surely worse {over}")
    return ProbationVerdict("keep", f"{said}: not surely worse {over}")


def _too_few(gate: ModelGate, found: Evidence) -> Iterator[str]:
    if found.labels < gate.min_labels:
        yield f"{found.labels:,} of {gate.min_labels:,} labels known"
    elif found.days < gate.min_days:
        yield f"labels of {found.days} of {gate.min_days} days known"
    elif found.positives in (0, found.labels):
        yield f"all {found.labels:,} labels are the same"


def _lacking(gate: ModelGate, found: Evidence) -> Iterator[str]:
    """Why nothing can be said: what was asked for is not known."""
    if too_few := [*_too_few(gate, found)]:
        yield from too_few
        return
    if found.calibration_error is None:
        yield "the challenger's calibration error is not known"
    for metric in gate.max_bias:
        values = [value for name, value in found.bias.items() if name.split(" of ")[0] == metric]
        if not values:
            yield f"bias: there is no {metric}"
        elif None in values:
            yield f"bias: {metric} cannot be computed"
    if not found.champion:
        return
    if found.brier_difference is None or found.champion_calibration_error is None:
        yield found.lacks or "challenger and champion were not compared"
    if found.latency_ratio is None:
        yield "challenger's and champion's latency were not compared"


def _worse(found: Evidence) -> Iterator[str]:
    difference = found.brier_difference
    if difference is not None and difference.low > 0:
        bounds = f"[{_signed(difference.low)}, {_signed(difference.high)}]"
        yield f"Brier score {_signed(difference.value)} {bounds}: surely worse than the champion"


def _beyond(gate: ModelGate, found: Evidence) -> Iterator[str]:
    error, before = found.calibration_error, found.champion_calibration_error
    assert error is not None
    if error > gate.max_calibration_error / 100:
        yield f"calibration error {error:.3f}, allowed {gate.max_calibration_error / 100:g}"
    if before is not None and error - before > gate.max_calibration_increase / 100:
        yield (
            f"calibration error {error:.3f}, the champion's {before:.3f}: "
            f"allowed {gate.max_calibration_increase / 100:g} more"
        )
    if found.latency_ratio is not None and found.latency_ratio > gate.max_latency_ratio:
        yield f"{found.latency_ratio:.2f} times the champion's latency, allowed {gate.max_latency_ratio:g}"
    for name, value in found.bias.items():
        metric = name.split(" of ")[0]
        limit = gate.max_bias.get(metric)
        if limit is not None and value is not None and abs(value - _NO_BIAS.get(metric, 0.0)) > limit:
            yield f"bias: {name} is {value:.3f}, allowed {limit:g} from {_NO_BIAS.get(metric, 0.0):g}"


def _signed(value: float) -> str:
    return f"{value:+.4f}"
