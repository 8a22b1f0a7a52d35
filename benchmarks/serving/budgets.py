"""The budgets of `/predict`: ratios of one run, round by round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from benchmarks.figures import Figure
from benchmarks.serving.bare_call import BARE
from benchmarks.serving.cells import MANY_ROWS, ONE_ROW
from benchmarks.serving.contestants import CONTESTANTS, OURS
from benchmarks.serving.rounds import Results

TIMES: Sequence[tuple[tuple[str, ...], float | None]] = (
    (("litserve", "litserve_batched"), 15),
    (("bentoml_sync", "bentoml_async"), 20),
    (("mlserver",), None),
    (("ray_serve",), None),
    (("fastapi_sklearn",), 150),
    (("fastapi_onnx",), 2.5),
    (("own_echo",), 0.5),
    (("granian_echo",), None),
)
"""How many times as many requests a second ours has to answer; of two ways to run a peer the faster counts."""
OF_BARE_CALL = 0.7
CAPTURED = 0.95


def one_row(results: Results) -> Iterator[Figure]:
    """Rates, ours as a multiple of each peer's; beside it the same of the CPU that a request takes."""
    for names, budget in TIMES:
        rates = {name: _ratios(results, name) for name in names}
        found = [name for name in names if rates[name]]
        if found:
            name = min(found, key=lambda name: median(rates[name]))
            what = f"{ONE_ROW}: ours ÷ {CONTESTANTS[name].title}"
            note = f"the fastest of {len(found)} ways to run it" if len(found) > 1 else ""
            yield Figure(what, rates[name], "×", budget, at_least=True, note=note)
            cpu = tuple(theirs.cpu / ours.cpu for ours, theirs in results.pairs(ONE_ROW, OURS, name))
            yield Figure("… its CPU a request ÷ ours", cpu, "×")


def _ratios(results: Results, name: str) -> tuple[float, ...]:
    return tuple(ours.rate / theirs.rate for ours, theirs in results.pairs(ONE_ROW, OURS, name))


def many_rows(results: Results) -> Iterator[Figure]:
    """The bare model call's seconds, as a share of a request's."""
    shares = tuple(bare.p50 / ours.p50 for bare, ours in results.pairs(MANY_ROWS, BARE, OURS))
    if shares:
        yield Figure(
            f"{MANY_ROWS}: the bare model call ÷ ours, median seconds", shares, "×", OF_BARE_CALL, at_least=True
        )


def conditions(results: Results, captured: int) -> Iterator[Figure]:
    """What the budgets presuppose of our service: that it captured what it answered, and counted."""
    share = captured / max(results.answered, 1)
    note = f"{captured:,} lines, {results.answered:,} answers"
    yield Figure("captured requests ÷ answered", (share,), "×", CAPTURED, at_least=True, note=note)
    yield Figure("`/metrics` answered with 200 after the load", (float(results.metrics),), "", 1, at_least=True)


def lines_in(folder: Path) -> int:
    """Lines of all files below `folder`: captured requests."""
    total = 0
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as lines:
                total += sum(1 for _ in lines)
    return total
