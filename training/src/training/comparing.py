"""The evidence of a gate: candidate and champion on the same rows, which neither learned from."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from training import bootstrap
from training.evaluate import auc, calibration_error, log_losses
from training.trained import Trained

DRAWS, AUC_DRAWS, CONFIDENCE = 2000, 200, 0.95
NO_CHAMPION = "there is no champion"
_TIMED_ROWS, _TIMES = 50, 5
Floats = NDArray[np.float64]


def evaluation(rows: pl.DataFrame, candidate: Trained, champion: Trained | None, why_none: str) -> dict[str, Any]:
    """What evaluation.json holds. `rows` are prepared and labelled; `why_none` says why there is no champion.

    Figures that cannot be computed are null, beside an `error`. Brier score and log loss: less is better; a difference
    is candidate less champion.
    """
    scores = candidate.predict(rows)
    labels, days = _labels(rows), _days(rows)
    found: dict[str, Any] = {
        "window": {"first": str(rows["day"].min()), "last": str(rows["day"].max())} if rows.height else None,
        "rows": rows.height,
        "positives": int(labels.sum()),
        "days": int(days.max(initial=-1)) + 1,
        "confidence": CONFIDENCE,
        "draws": DRAWS,
        "candidate": judged(labels, scores, days),
        # a champion that cannot be loaded is still one
        "champion_expected": champion is not None or why_none != NO_CHAMPION,
        "champion": None,
        "comparison": {"brier_difference": None, "log_loss_difference": None, "error": why_none or None},
    }
    if champion is None:
        return found
    other = champion.predict(rows)
    found["champion"] = {"version": champion.described.get("version"), **judged(labels, other, days)}
    found["comparison"] = compared(labels, scores, other, days)
    return found


def judged(labels: NDArray[np.bool_], scores: Floats, days: NDArray[np.intp]) -> dict[str, Any]:
    """One model's figures, each with what drawing days says of it."""
    if not labels.size:
        return {"error": "there are no labelled rows"}
    drawn = bootstrap.draws(int(days.max()) + 1, DRAWS)
    certain = auc(labels, scores)
    found: dict[str, Any] = {
        "brier": _figures(bootstrap.mean_interval((scores - labels) ** 2, days, drawn, CONFIDENCE)),
        "log_loss": _figures(bootstrap.mean_interval(log_losses(labels, scores), days, drawn, CONFIDENCE)),
        "calibration_error": calibration_error(labels, scores),
        "positive_rate": float(labels.mean()),
        "mean_prediction": float(scores.mean()),
    }
    if np.isnan(certain):
        return found | {"auc": None, "error": "auc: all rows have the same label"}
    interval = bootstrap.auc_interval(certain, labels, scores, days, drawn[:AUC_DRAWS], CONFIDENCE)
    return found | {"auc": _figures(interval), "error": None}


def compared(labels: NDArray[np.bool_], candidate: Floats, champion: Floats, days: NDArray[np.intp]) -> dict[str, Any]:
    """The paired differences, candidate less champion, over the same drawn days."""
    if not labels.size:
        return {"brier_difference": None, "log_loss_difference": None, "error": "there are no labelled rows"}
    drawn = bootstrap.draws(int(days.max()) + 1, DRAWS)
    squared = (candidate - labels) ** 2 - (champion - labels) ** 2
    logs = log_losses(labels, candidate) - log_losses(labels, champion)
    return {
        "brier_difference": _figures(bootstrap.mean_interval(squared, days, drawn, CONFIDENCE)),
        "log_loss_difference": _figures(bootstrap.mean_interval(logs, days, drawn, CONFIDENCE)),
        "error": None,
    }


def latencies(rows: pl.DataFrame, candidate: Trained, champion: Trained | None) -> dict[str, Any]:
    """Median microseconds of one row, in turns so that both meet the same machine; never the same twice."""
    if not rows.height:
        return {"candidate_us": None, "champion_us": None, "ratio": None, "error": "there are no rows"}
    some = rows.head(_TIMED_ROWS)
    models = [(model.booster, model.matrix(some)) for model in (candidate, champion) if model is not None]
    taken: list[list[float]] = [[] for _ in models]
    for _ in range(_TIMES):
        for (booster, matrix), times in zip(models, taken, strict=True):
            for row in range(len(matrix)):
                began = time.perf_counter()
                booster.predict(matrix[row : row + 1], num_threads=1)
                times.append(1e6 * (time.perf_counter() - began))
    mine, *others = [float(np.median(times)) for times in taken]
    if not others:
        return {"candidate_us": mine, "champion_us": None, "ratio": None, "error": "there is no champion"}
    return {"candidate_us": mine, "champion_us": others[0], "ratio": mine / others[0], "error": None}


def _labels(rows: pl.DataFrame) -> NDArray[np.bool_]:
    return rows["late"].to_numpy().astype(np.bool_)


def _days(rows: pl.DataFrame) -> NDArray[np.intp]:
    """Shape (rows,): the days numbered from 0."""
    return np.unique(rows["day"].to_numpy(), return_inverse=True)[1].astype(np.intp)


def _figures(found: bootstrap.Interval) -> dict[str, float | None]:
    """An interval as JSON, which has no NaN."""
    return {name: None if np.isnan(value) else value for name, value in asdict(found).items()}
