"""The report of a training run: its model on rows that it has not learnt from, beside the champion if there is one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from model_monitoring.reports.frame import Cell, Page, Section, State, Table, told


def page(evaluation: Mapping[str, Any]) -> Page:
    """The page of an evaluation.json."""
    state, verdict = _verdict(evaluation)
    window = evaluation.get("window") or {}
    return Page(
        title="Training run",
        state=state,
        verdict=verdict,
        facts={
            "tested on": f"{window['first']} to {window['last']}" if window else "nothing",
            "rows": f"{evaluation['rows']:,}, of which {evaluation['positives']:,} came true",
            "days": str(evaluation["days"]),
            "intervals": f"{evaluation['confidence']:.0%}, by {evaluation['draws']:,} draws of days",
        },
        sections=[*sections(evaluation)],
    )


def _verdict(evaluation: Mapping[str, Any]) -> tuple[State, str]:
    comparison = evaluation["comparison"]
    difference = comparison.get("brier_difference")
    if difference is None or None in (difference["low"], difference["high"]):
        return "unsure", f"not compared: {comparison.get('error') or 'there is no champion'}"
    said = f"Brier score {difference['value']:+.4f} [{difference['low']:+.4f}, {difference['high']:+.4f}]"
    if difference["high"] < 0:
        return "good", f"surely better than the champion: {said}"
    if difference["low"] > 0:
        return "bad", f"surely worse than the champion: {said}"
    return "unsure", f"no evidence that it is better or worse than the champion: {said}"


def sections(evaluation: Mapping[str, Any], name: str = "this model") -> Iterator[Section]:
    """The figures of the model, which is called `name`, beside the champion's; and their differences."""
    models = {name: evaluation["candidate"], "champion": evaluation["champion"]}
    there = {name: found for name, found in models.items() if found}
    metrics = dict.fromkeys(name for found in there.values() for name in found if name not in ("error", "version"))
    rows: list[Sequence[Cell]] = [
        (metric, *(cell(found.get(metric)) for found in there.values())) for metric in metrics
    ]
    errors = "; ".join(f"{name}: {found['error']}" for name, found in there.items() if found.get("error"))
    yield Section("Figures", errors, [Table(("metric", *there), rows)])
    differences = {name: found for name, found in evaluation["comparison"].items() if isinstance(found, Mapping)}
    if differences:
        listed = [(name, found["value"], found["low"], found["high"]) for name, found in differences.items()]
        text = f"{name.capitalize()} less the champion, on the same rows; below 0 it is better."
        yield Section("Beside the champion", text, [Table(("difference", "value", "from", "to"), listed)])


def cell(figure: Any) -> Cell:
    """A figure of a model: a value, or one with the bounds that hold it."""
    if isinstance(figure, Mapping):
        ends = (figure["low"], figure["high"])
        return f"{told(figure['value'])} [{told(ends[0])}, {told(ends[1])}]"
    return figure if isinstance(figure, int | float | str) or figure is None else str(figure)
