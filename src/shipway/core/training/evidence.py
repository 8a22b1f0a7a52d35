"""What is known of a new model beside the one that serves: the figures that a gate decides by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Bounds:
    """A figure, with the bounds that hold it at the evidence's confidence, and its standard deviation where known."""

    value: float
    low: float
    high: float
    deviation: float | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Challenger and champion on the same labelled rows, which neither learned from. None is what cannot be computed.

    `positives` of the `labels` have the outcome that is predicted; `days` they come from. `brier_difference` is the
    challenger's less the champion's: below 0 is better. `bias` has the challenger's metrics, such as
    `DPPL of carrier=MQ,EV`. `lacks` says why figures are missing.
    """

    labels: int
    positives: int
    days: int
    champion: bool
    brier_difference: Bounds | None = None
    calibration_error: float | None = None
    champion_calibration_error: float | None = None
    latency_ratio: float | None = None
    bias: Mapping[str, float | None] = field(default_factory=dict)
    lacks: str = ""


def evidence(evaluation: Mapping[str, Any], latency: Mapping[str, Any], analysis: Mapping[str, Any]) -> Evidence:
    """From evaluation.json, latency.json and analysis.json as the steps write them, or {} for a step left out.

    Raises ValueError when one is not what it must be.
    """
    try:
        comparison, champion = evaluation["comparison"], evaluation["champion"]
        difference = comparison["brier_difference"]
        return Evidence(
            labels=int(evaluation["rows"]),
            positives=int(evaluation["positives"]),
            days=int(evaluation["days"]),
            champion=champion is not None or bool(evaluation["champion_expected"]),
            brier_difference=None if difference is None else _bounds(difference),
            calibration_error=_number(evaluation["candidate"].get("calibration_error")),
            champion_calibration_error=_number((champion or {}).get("calibration_error")),
            latency_ratio=_number(latency.get("ratio")),
            bias=_bias(analysis),
            lacks=str(comparison["error"] or ""),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the figures of the evaluation are not what they must be: {error!r}") from error


def _bias(analysis: Mapping[str, Any]) -> dict[str, float | None]:
    found = {}
    for report in ("pre_training_bias_metrics", "post_training_bias_metrics"):
        for column, groups in analysis.get(report, {}).get("facets", {}).items():
            for group in groups:
                for metric in group["metrics"]:
                    name = f"{metric['name']} of {column}={group['value_or_threshold']}"
                    found[name] = _number(metric["value"])
    return found


def _bounds(found: Mapping[str, Any]) -> Bounds | None:
    value, low, high = (_number(found[name]) for name in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return None
    return Bounds(value, low, high, _number(found.get("deviation")))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
