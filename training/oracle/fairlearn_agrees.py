"""Holds the formulas of `training.clarify` to fairlearn's where both define the same: `make bias-oracle`."""

from __future__ import annotations

import sys

import numpy as np
from fairlearn.metrics import (
    MetricFrame,
    count,
    demographic_parity_difference,
    demographic_parity_ratio,
    equalized_odds_difference,
    selection_rate,
    true_negative_rate,
    true_positive_rate,
)
from sklearn.metrics import accuracy_score, precision_score

from training.clarify import POST_TRAINING, PRE_TRAINING, Counts

TABLES = 300
FORMULAS = {name: formula for name, _, formula in (*PRE_TRAINING, *POST_TRAINING)}


def main() -> int:
    random = np.random.default_rng(2013)
    differ = 0
    for table in range(TABLES):
        rows = int(random.integers(40, 2000))
        group, labels, predicted = (random.random(rows) < random.uniform(0.2, 0.8) for _ in range(3))
        ours, theirs = clarify(group, labels, predicted), fairlearn(group, labels, predicted)
        for name, wanted in theirs.items():
            if not np.isclose(ours[name], wanted, rtol=0, atol=1e-12):
                differ += 1
                print(f"table {table}: {name} is {ours[name]}, fairlearn says {wanted}", file=sys.stderr)
    print(f"{TABLES} tables, {', '.join(theirs)}: {differ} figures differ")
    return 1 if differ else 0


def clarify(group: np.ndarray, labels: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Our figures, and those that fairlearn makes of them."""
    place = np.ravel_multi_index((group.astype(int), labels.astype(int), predicted.astype(int)), (2, 2, 2))
    counts = Counts(np.bincount(place, minlength=8).reshape(1, 2, 2, 2).astype(np.float64))
    found = {name: float(formula(counts)) for name, formula in FORMULAS.items() if not name.startswith("CDD")}
    return found | {
        "|DPPL|": abs(found["DPPL"]),
        "DI or 1 / DI": min(found["DI"], 1 / found["DI"]),
        "max(|RD|, |SD|)": max(abs(found["RD"]), abs(found["SD"])),
    }


def fairlearn(group: np.ndarray, labels: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """The same by fairlearn: a metric of each group, and what it makes of the two."""
    metrics = {
        "count": count,
        "selected": selection_rate,
        "recall": true_positive_rate,
        "specificity": true_negative_rate,
        "accuracy": accuracy_score,
        "precision": precision_score,
        "negative precision": lambda y_true, y_pred: precision_score(y_true, y_pred, pos_label=0),
    }
    frame = MetricFrame(metrics=metrics, y_true=labels, y_pred=predicted, sensitive_features=group).by_group
    others, mine = frame.loc[False], frame.loc[True]
    of_labels = MetricFrame(metrics=selection_rate, y_true=labels, y_pred=labels, sensitive_features=group).by_group
    pair = {"y_true": labels, "y_pred": predicted, "sensitive_features": group}
    return {
        "CI": (others["count"] - mine["count"]) / (others["count"] + mine["count"]),
        "DPL": of_labels.loc[False] - of_labels.loc[True],
        "DPPL": others["selected"] - mine["selected"],
        "DI": mine["selected"] / others["selected"],
        "RD": others["recall"] - mine["recall"],
        "SD": mine["specificity"] - others["specificity"],
        "AD": others["accuracy"] - mine["accuracy"],
        "DAR": others["precision"] - mine["precision"],
        "DRR": mine["negative precision"] - others["negative precision"],
        "|DPPL|": demographic_parity_difference(**pair),
        "DI or 1 / DI": demographic_parity_ratio(**pair),
        "max(|RD|, |SD|)": equalized_odds_difference(**pair),
    }


if __name__ == "__main__":
    sys.exit(main())
