"""Clarify's bias metrics as formulas over counts.

Source: "Pre-training Bias Metrics" and "Post-training Data and Model Bias Metrics" of the SageMaker developer guide;
the letters are theirs. A group `d` is compared with everybody else, `a`; 1 is the favourable outcome. Each formula
takes one table, or a stack of tables such as the draws of a bootstrap, and answers one figure for each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
A, D = 0, 1
_NAMES = {A: "among the others", D: "in the group"}
_OUTCOMES = {0: "unfavourable", 1: "favourable"}


class NotComputable(ValueError):
    """A metric has no value on these rows."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows by stratum, facet, label and predicted label: `cells` has shape (…, strata, 2, 2, 2).

    `conditioned`: whether the strata are those of a column; else there is one.
    """

    cells: Floats
    conditioned: bool = False

    def rows(self, facet: int | None = None, label: int | None = None, predicted: int | None = None) -> Floats:
        """How many rows are so, over all strata; None is any. Shape (…)."""
        found = self.cells.sum(axis=-4)
        for axis, place in ((-3, facet), (-2, label), (-1, predicted)):
            found = found.sum(axis, keepdims=True) if place is None else np.take(found, [place], axis)
        return np.asarray(found[..., 0, 0, 0])


Formula = Callable[[Counts], Floats]
Rate = Callable[[Counts, int], Floats]
"""A figure of one facet, A or D."""


def share(part: Floats, whole: Floats, what: str) -> Floats:
    """`part / whole`; NaN in a stack where there is no whole. Raises NotComputable, with `what`, for one table."""
    if whole.ndim == 0 and not whole:
        raise NotComputable(f"no rows: {what}")
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(whole == 0, np.nan, part / whole))


def others_less_group(rate: Rate) -> Formula:
    """The rate of the others, a, less that of the group, d."""
    return lambda n: rate(n, A) - rate(n, D)


def group_less_others(rate: Rate) -> Formula:
    """The rate of the group, d, less that of the others, a."""
    return lambda n: rate(n, D) - rate(n, A)


# -- rates of one facet ------------------------------------------------------------------------------------------------


def accepted(n: Counts, facet: int) -> Floats:
    """q = n(1) / n: the share of favourable labels."""
    return share(n.rows(facet, label=1), n.rows(facet), f"rows {_NAMES[facet]}")


def accepted_predictions(n: Counts, facet: int) -> Floats:
    """q' = n'(1) / n: the share of favourable predictions."""
    return share(n.rows(facet, predicted=1), n.rows(facet), f"rows {_NAMES[facet]}")


def accuracy(n: Counts, facet: int) -> Floats:
    """(TP + TN) / n."""
    return share(n.rows(facet, 0, 0) + n.rows(facet, 1, 1), n.rows(facet), f"rows {_NAMES[facet]}")


def false_negatives_to_positives(n: Counts, facet: int) -> Floats:
    """FN / FP."""
    return share(n.rows(facet, 1, 0), n.rows(facet, 0, 1), f"that are false positives {_NAMES[facet]}")


def observed_to_predicted(outcome: int) -> Rate:
    """Labels of the outcome over predictions of it: n(1) / n'(1), the guide's c, or n(0) / n'(0), its r."""
    return lambda n, facet: share(
        n.rows(facet, label=outcome),
        n.rows(facet, predicted=outcome),
        f"with {_OUTCOMES[outcome]} prediction {_NAMES[facet]}",
    )


def recall(outcome: int) -> Rate:
    """The share of the outcome that was predicted: TP / (TP + FN), or TN / (TN + FP), the specificity."""
    return lambda n, facet: share(
        n.rows(facet, outcome, outcome),
        n.rows(facet, label=outcome),
        f"with {_OUTCOMES[outcome]} label {_NAMES[facet]}",
    )


def precision(outcome: int) -> Rate:
    """The share of the predictions of the outcome that were right: TP / n'(1), or TN / n'(0)."""
    return lambda n, facet: share(
        n.rows(facet, outcome, outcome),
        n.rows(facet, predicted=outcome),
        f"with {_OUTCOMES[outcome]} prediction {_NAMES[facet]}",
    )


label_difference = others_less_group(accepted)


# -- metrics that are no difference of two rates -----------------------------------------------------------------------


def class_imbalance(n: Counts) -> Floats:
    """(n_a - n_d) / (n_a + n_d)."""
    return share(n.rows(A) - n.rows(D), n.rows(), "at all")


def kullback_leibler(n: Counts) -> Floats:
    """Sum over outcomes of P_a log(P_a / P_d), natural logarithm."""
    a, d = accepted(n, A), accepted(n, D)
    return divergence(np.stack([a, 1 - a]), np.stack([d, 1 - d]))


def divergence(a: Floats, d: Floats) -> Floats:
    """Kullback-Leibler divergence of distributions along the first axis; 0 log 0 is 0."""
    if a.ndim == 1 and ((a > 0) & (d == 0)).any():
        raise NotComputable("an outcome that the others have is missing in the group")
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(a == 0, 0.0, a * np.log(a / d))
    return np.asarray(terms.sum(axis=0))


def jensen_shannon(n: Counts) -> Floats:
    """Half of the divergences of P_a and of P_d from their mean."""
    a, d = accepted(n, A), accepted(n, D)
    a, d = np.stack([a, 1 - a]), np.stack([d, 1 - d])
    return (divergence(a, (a + d) / 2) + divergence(d, (a + d) / 2)) / 2


def lp_norm(n: Counts) -> Floats:
    """The 2-norm of P_a - P_d."""
    return np.sqrt(2 * label_difference(n) ** 2)


def total_variation(n: Counts) -> Floats:
    """Half of the 1-norm of P_a - P_d."""
    return np.abs(label_difference(n))


def kolmogorov_smirnov(n: Counts) -> Floats:
    """The greatest difference of an outcome's shares."""
    return np.abs(label_difference(n))


def label_disparity(n: Counts) -> Floats:
    """CDD over the labels."""
    return _conditional_disparity(n, n.cells.sum(axis=-1))


def predicted_disparity(n: Counts) -> Floats:
    """CDD over the predictions."""
    return _conditional_disparity(n, n.cells.sum(axis=-2))


def _conditional_disparity(n: Counts, cells: Floats) -> Floats:
    """Sum over strata of n_i DD_i / n, with DD = n_d(0) / n(0) - n_d(1) / n(1). `cells`: (…, strata, facet, outcome).

    A stratum of one outcome shows no disparity: its DD is 0.
    """
    if not n.conditioned:
        raise NotComputable("no column is named to condition on: --group-variable")
    whole = cells.sum(axis=-2)
    both = (whole > 0).all(axis=-1)
    if both.ndim == 1 and not both.any():
        raise NotComputable("no stratum has both outcomes")
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = cells[..., D, :] / whole
    disparity = np.where(both, shares[..., 0] - shares[..., 1], 0.0)
    rows = whole.sum(axis=-1)
    return share((rows * disparity).sum(axis=-1), rows.sum(axis=-1), "at all")


def disparate_impact(n: Counts) -> Floats:
    """q'_d / q'_a."""
    return share(
        accepted_predictions(n, D), accepted_predictions(n, A), "with a favourable prediction among the others"
    )


def generalized_entropy(n: Counts) -> Floats:
    """Mean of ((b / b')^2 - 1) / 2 over all rows, with the benefit b = y' - y + 1 and its mean b'."""
    rows = n.rows()
    twice, none = n.rows(label=0, predicted=1), n.rows(label=1, predicted=0)
    mean = share(rows + twice - none, rows, "at all")
    squares = share(rows + 3 * twice - none, rows, "at all")
    return (share(squares, mean**2, "with any benefit") - 1) / 2


PRE_TRAINING: tuple[tuple[str, str, Formula], ...] = (
    ("CI", "Class Imbalance", class_imbalance),
    ("DPL", "Difference in Proportions of Labels", label_difference),
    ("KL", "Kullback-Leibler Divergence", kullback_leibler),
    ("JS", "Jensen-Shannon Divergence", jensen_shannon),
    ("LP", "L-p Norm", lp_norm),
    ("TVD", "Total Variation Distance", total_variation),
    ("KS", "Kolmogorov-Smirnov Distance", kolmogorov_smirnov),
    ("CDDL", "Conditional Demographic Disparity in Labels", label_disparity),
)
POST_TRAINING: tuple[tuple[str, str, Formula], ...] = (
    ("DPPL", "Difference in Positive Proportions in Predicted Labels", others_less_group(accepted_predictions)),
    ("DI", "Disparate Impact", disparate_impact),
    ("DCA", "Difference in Conditional Acceptance", others_less_group(observed_to_predicted(1))),
    ("DCR", "Difference in Conditional Rejection", group_less_others(observed_to_predicted(0))),
    ("RD", "Recall Difference", others_less_group(recall(1))),
    ("SD", "Specificity Difference", group_less_others(recall(0))),
    ("DAR", "Difference in Acceptance Rates", others_less_group(precision(1))),
    ("DRR", "Difference in Rejection Rates", group_less_others(precision(0))),
    ("AD", "Accuracy Difference", others_less_group(accuracy)),
    ("CDDPL", "Conditional Demographic Disparity in Predicted Labels", predicted_disparity),
    ("TE", "Treatment Equality", group_less_others(false_negatives_to_positives)),
    ("GE", "Generalized Entropy", generalized_entropy),
)
"""All but FT, which compares rows and not counts: `fliptest.py`."""
NO_BIAS: dict[str, Any] = {"DI": 1.0}
"""The value of a metric where there is no bias; 0 for the others."""
