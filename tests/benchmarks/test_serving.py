"""How the serving benchmark judges: pairs of one round, the fastest way to run a peer, the crowd apart from the rest."""

from __future__ import annotations

from benchmarks.serving.bare_call import BARE
from benchmarks.serving.budgets import many_rows, one_row
from benchmarks.serving.cells import MANY_ROWS, ONE_ROW, Cell, Plan
from benchmarks.serving.contestants import OURS
from benchmarks.serving.load import Sample
from benchmarks.serving.rounds import Results, Round


def sample(rate: float, p50: float = 0.001) -> Sample:
    return Sample(requests=100, rate=rate, p50=p50, p99=p50, cpu=1 / rate)


def round_of(*, crowd: bool = True, cell: Cell = ONE_ROW, **rates: float) -> Round:
    return Round(cell, crowd, {name: sample(rate) for name, rate in rates.items()})


def test_the_fastest_way_to_run_a_peer_counts() -> None:
    """A peer that can be run in two ways is judged by the one that leaves us the smaller ratio."""
    results = Results([round_of(shipway=300, bentoml_sync=10, bentoml_async=20)] * 3)
    judged = next(one_row(results))
    assert (15.0, 15.0, 15.0) == judged.samples
    assert "BentoML, async" in judged.what
    assert not judged.ok


def test_a_loud_peer_is_compared_with_what_ours_did_beside_it() -> None:
    """Ratios pair samples of one round, and our own figure is that of the crowd's seating alone."""
    results = Results([round_of(shipway=1000, mlserver=100), round_of(crowd=False, shipway=600, ray_serve=100)])
    ratios = {figure.what: figure.samples for figure in one_row(results)}
    assert (6.0,) == next(samples for what, samples in ratios.items() if "ours ÷ Ray Serve" in what)
    assert [1000] == [sample.rate for sample in results.samples(ONE_ROW, OURS)]


def test_a_round_without_one_of_both_makes_no_ratio() -> None:
    """A peer that failed in a round is compared in the others."""
    results = Results([round_of(shipway=30), round_of(shipway=30, mlserver=10)])
    assert [3.0] == [ours.rate / theirs.rate for ours, theirs in results.pairs(ONE_ROW, OURS, "mlserver")]


def test_the_bare_call_is_compared_by_its_seconds() -> None:
    """What is left of the bare call is its median seconds divided by a request's."""
    both = {OURS: sample(50, p50=0.02), BARE: sample(60, p50=0.015)}
    (figure,) = many_rows(Results([Round(MANY_ROWS, True, both)]))
    assert (0.75,) == figure.samples
    assert figure.ok


def test_cells_with_budgets_get_more_rounds() -> None:
    """The plan tells the judged cells from the others."""
    plan = Plan(judged_rounds=5, judged_seconds=2, rounds=3)
    assert (5, 2) == plan.times(ONE_ROW)
    assert (3, 1) == plan.times(Cell(10, 64))
