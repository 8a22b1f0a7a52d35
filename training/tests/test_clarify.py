"""Clarify's formulas against tables computed by hand, AWS's own examples among them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

from training.clarify import POST_TRAINING, PRE_TRAINING, Counts, NotComputable

FORMULAS = {name: formula for name, _, formula in (*PRE_TRAINING, *POST_TRAINING)}


@dataclass(frozen=True)
class Rows:
    """One facet: labelled and predicted favourable (tp), and so on."""

    tp: int
    fn: int
    fp: int
    tn: int

    def cells(self) -> list[list[int]]:
        """By label and prediction, the unfavourable first."""
        return [[self.tn, self.fp], [self.fn, self.tp]]


def metric(name: str, *strata: tuple[Rows, Rows]) -> float:
    """A metric of the others and the group, in strata."""
    cells = np.array([[others.cells(), group.cells()] for others, group in strata], dtype=np.float64)
    return float(FORMULAS[name](Counts(cells, len(strata) > 1)))


# 60 of 100 others and 20 of 50 of the group have the favourable label
OTHERS, GROUP = Rows(tp=50, fn=10, fp=15, tn=25), Rows(tp=12, fn=8, fp=6, tn=24)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("CI", (100 - 50) / 150),
        ("DPL", 0.6 - 0.4),
        ("KL", 0.6 * math.log(0.6 / 0.4) + 0.4 * math.log(0.4 / 0.6)),
        (
            "JS",
            (
                0.6 * math.log(0.6 / 0.5) + 0.4 * math.log(0.4 / 0.5)
                + 0.4 * math.log(0.4 / 0.5) + 0.6 * math.log(0.6 / 0.5)
            ) / 2,
        ),
        ("LP", math.sqrt(0.2**2 + 0.2**2)),
        ("TVD", (0.2 + 0.2) / 2),
        ("KS", 0.2),
        ("DPPL", 65 / 100 - 18 / 50),
        ("DI", (18 / 50) / (65 / 100)),
        ("DCA", 60 / 65 - 20 / 18),
        ("DCR", 30 / 32 - 40 / 35),
        ("RD", 50 / 60 - 12 / 20),
        ("SD", 24 / 30 - 25 / 40),
        ("DAR", 50 / 65 - 12 / 18),
        ("DRR", 24 / 32 - 25 / 35),
        ("AD", 75 / 100 - 36 / 50),
        ("TE", 8 / 6 - 10 / 15),
        # benefits: 21 times 2, 18 times 0, 111 times 1
        ("GE", ((21 * 4 + 111) / 150 / ((21 * 2 + 111) / 150) ** 2 - 1) / 2),
    ],
)  # fmt: skip
def test_a_metric_is_its_formula(name: str, wanted: float) -> None:
    """One table, each figure written out."""
    assert pytest.approx(wanted) == metric(name, (OTHERS, GROUP))


def labels(others: tuple[int, int], group: tuple[int, int]) -> tuple[Rows, Rows]:
    """Rejected and accepted, predicted as labelled."""
    return Rows(others[1], 0, 0, others[0]), Rows(group[1], 0, 0, group[0])


def test_conditional_acceptance_of_the_guides_example() -> None:
    """Of 100 and 50, 60 and 30 are predicted and 70 and 20 observed: 70/60 - 20/30 = 1/2."""
    others, group = Rows(tp=60, fn=10, fp=0, tn=30), Rows(tp=20, fn=0, fp=10, tn=20)
    assert pytest.approx(1 / 2) == metric("DCA", (others, group))


def test_disparity_of_the_guides_example() -> None:
    """46 % of the rejected and 32 % of the accepted: DD = 0.14, and conditioned on nothing that differs as well."""
    college = labels((54, 68), (46, 32))
    assert pytest.approx(0.14) == metric("CDDL", college, college)
    assert pytest.approx(0.14) == metric("CDDPL", college, college)


def test_disparity_is_conditioned() -> None:
    """Simpson's paradox: more of the group are rejected, yet in each stratum it is the others."""
    strata = labels((30, 60), (2, 8)), labels((9, 1), (70, 20))
    first, second = 2 / 32 - 8 / 68, 70 / 79 - 20 / 21
    assert pytest.approx((100 * first + 100 * second) / 200) == metric("CDDL", *strata)
    assert metric("CDDL", *strata) < 0 < 72 / 111 - 28 / 89


def test_a_stratum_of_one_outcome_counts_as_equal() -> None:
    """Nobody was rejected there: its rows count, its disparity is 0."""
    assert pytest.approx(0.14 * 200 / 250) == metric("CDDL", labels((54, 68), (46, 32)), labels((0, 30), (0, 20)))


EQUAL = Rows(tp=3, fn=1, fp=1, tn=3)


@pytest.mark.parametrize("name", [name for name in FORMULAS if name != "GE"])
def test_equal_groups_have_no_bias(name: str) -> None:
    """1 for DI, 0 for the others."""
    assert pytest.approx(float(name == "DI")) == metric(name, (EQUAL, EQUAL), (EQUAL, EQUAL))


@pytest.mark.parametrize(
    ("name", "others", "group", "words"),
    [
        ("DPL", EQUAL, Rows(0, 0, 0, 0), "no rows: rows in the group"),
        ("CI", Rows(0, 0, 0, 0), Rows(0, 0, 0, 0), "no rows: at all"),
        ("KL", EQUAL, Rows(0, 0, 1, 1), "an outcome that the others have is missing in the group"),
        ("DI", Rows(0, 4, 0, 4), EQUAL, "with a favourable prediction among the others"),
        ("DCA", EQUAL, Rows(0, 1, 0, 3), "with favourable prediction in the group"),
        ("DCR", Rows(3, 0, 1, 0), EQUAL, "with unfavourable prediction among the others"),
        ("RD", EQUAL, Rows(0, 0, 1, 1), "with favourable label in the group"),
        ("SD", EQUAL, Rows(1, 1, 0, 0), "with unfavourable label in the group"),
        ("TE", Rows(3, 1, 0, 3), EQUAL, "false positives among the others"),
        ("GE", Rows(0, 4, 0, 0), Rows(0, 4, 0, 0), "with any benefit"),
        ("CDDL", EQUAL, EQUAL, "no column is named to condition on"),
    ],
)
def test_what_cannot_be_computed_says_why(name: str, others: Rows, group: Rows, words: str) -> None:
    """Never a figure, never a division by zero."""
    with pytest.raises(NotComputable, match=words):
        metric(name, (others, group))


def test_a_stack_of_tables_gives_a_figure_for_each() -> None:
    """What the bootstrap relies on: the same figures, NaN where there is none."""
    cells = np.array([[[OTHERS.cells(), GROUP.cells()]], [[EQUAL.cells(), EQUAL.cells()]]], dtype=np.float64)
    for name, formula in FORMULAS.items():
        if not name.startswith("CDD"):
            wanted = [metric(name, (OTHERS, GROUP)), metric(name, (EQUAL, EQUAL))]
            assert pytest.approx(wanted) == list(formula(Counts(cells)))
    empty = np.stack([cells[0], np.zeros_like(cells[0])])
    assert np.isnan(FORMULAS["DI"](Counts(empty))[1])
