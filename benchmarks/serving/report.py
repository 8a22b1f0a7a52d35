"""The figures as Markdown: ratios of all cells, then each cell by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from benchmarks.serving.bare_call import BARE
from benchmarks.serving.cells import CELLS, Cell
from benchmarks.serving.contestants import CONTESTANTS, OURS
from benchmarks.serving.load import Sample
from benchmarks.serving.rounds import Results


def ratios(results: Results) -> Iterator[str]:
    """How many times as many requests a second ours answers: a row for each peer, a column for each cell."""
    cells = [cell for cell in CELLS if results.samples(cell, OURS)]
    yield "| ours ÷ theirs: rows × connections | " + " | ".join(f"{c.rows:,} × {c.connections}" for c in cells) + " |"
    yield "|---|" + "---|" * len(cells)
    for name in CONTESTANTS:
        shown = [_ratio(results, cell, name) for cell in cells]
        if name != OURS and any(shown):
            yield f"| {CONTESTANTS[name].title} | " + " | ".join(shown) + " |"


def cells(results: Results) -> Iterator[str]:
    """A table for each cell: rates with their spread, latencies, the server's CPU."""
    for cell in CELLS:
        if not results.samples(cell, OURS):
            continue
        loads = max(len(results.samples(cell, name)) for name in CONTESTANTS)
        yield f"**{cell}** ({loads} rounds)"
        yield ""
        yield "| server | requests/s | p50 | p99 | CPU a request | ours ÷ theirs |"
        yield "|---|---|---|---|---|---|"
        for name, title in [*((c.name, c.title) for c in CONTESTANTS.values()), (BARE, "the bare model call, no HTTP")]:
            samples = results.samples(cell, name)
            if samples:
                yield f"| {title} | {_measured(samples)} | {_ratio(results, cell, name) if name not in (OURS, BARE) else ''} |"
        yield ""


def as_json(results: Results) -> dict[str, Any]:
    """Every sample of every round."""
    return {
        "rounds": [
            {
                "rows": round.cell.rows, "connections": round.cell.connections, "crowd": round.crowd,
                "samples": {name: sample.as_json() for name, sample in round.samples.items()},
            }
            for round in results.rounds
        ],
        "differences": {name: checked.difference for name, checked in results.checked.items()},
        "idle": results.idle,
        "faults": results.faults,
    }  # fmt: skip


def _measured(samples: Sequence[Sample]) -> str:
    rates = [sample.rate for sample in samples]
    p50, p99, cpu = (median(getattr(sample, what) for sample in samples) for what in ("p50", "p99", "cpu"))
    return f"{_spread(rates)} | {_time(p50)} | {_time(p99)} | {cpu * 1e6:,.0f} µs"


def _ratio(results: Results, cell: Cell, name: str) -> str:
    found = [ours.rate / theirs.rate for ours, theirs in results.pairs(cell, OURS, name)]
    return _spread(found) if found else ""


def _spread(values: Sequence[float]) -> str:
    text = _short(median(values))
    return f"{text} [{_short(min(values))}–{_short(max(values))}]" if len(values) > 1 else text


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 20 else f"{value:.1f}" if value >= 2 else f"{value:.2f}"


def _time(seconds: float) -> str:
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.2f} s"
