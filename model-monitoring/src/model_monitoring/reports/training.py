"""The report of a training run: what the gate said and why, challenger beside champion, search, bias, steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from model_monitoring.reports import bias, evaluation, figures
from model_monitoring.reports.frame import Cell, Figure, Page, Section, State, Table

_STATES: Mapping[str, State] = {"promote": "good", "refuse": "bad", "no evidence": "unsure", "hold": "unsure"}


def page(told: Mapping[str, Any]) -> Page:
    """A run's page. `told` is what the platform knows: the records `run` and `training`, and what the steps wrote.

    `evaluation`, `latency`, `tuning`, `analysis` and `violations` are null where no such step ran, or its files are
    not there any more, which `missing` says.
    """
    state, verdict, failed = _verdict(told["run"], told["training"]["decision"])
    return Page(
        title=f"Training run {told['run']['id']}",
        state=state,
        verdict=verdict,
        facts=facts(told),
        failed=failed,
        sections=[*_sections(told)],
    )


def facts(told: Mapping[str, Any]) -> dict[str, str]:
    """What the run was about and what came of it; what is not known is left out."""
    run, training, found = told["run"], told["training"], told["evaluation"] or {}
    window, tested = training["window"], found.get("window")
    seconds = sum(step["seconds"] for step in training["steps"] if not step["reused"])
    known = {
        "learned from": f"{window['begin']} until {window['end']}" if window else None,
        "tested on": f"{tested['first']} to {tested['last']}" if tested else None,
        "rows": f"{found['rows']:,}, of which {found['positives']:,} came true" if found else None,
        "days": found.get("days"),
        "intervals": f"{found['confidence']:.0%}, by {found['draws']:,} draws of days" if "draws" in found else None,
        "champion": training["champion"],
        "became": training["version"],
        "commit": run["commit"],
        "asked by": run["by"],
        "because": run["why"],
        "steps took": f"{seconds:.1f} s",
    }
    return {name: str(value) for name, value in known.items() if value not in (None, "")}


def _verdict(run: Mapping[str, Any], decision: Mapping[str, Any] | None) -> tuple[State, str, list[str]]:
    """The state, the sentence, and the checks that failed."""
    if decision is None:
        return "bad", f"{run['status']} at {run['stage']}, before the gate", [run["reason"]] if run["reason"] else []
    kind, reasons = decision["kind"], decision["reasons"]
    state = _STATES.get(kind, "unsure")
    if state == "bad":
        checks = "checks" if len(reasons) > 1 else "check"
        return state, f"the gate says {kind}: {len(reasons)} {checks} failed", [*reasons]
    if kind == "promote" and run["status"] != "succeeded":
        said = f"the gate says {kind}, but the run {run['status']} at {run['stage']}"
        return "bad", said, [run["reason"]] if run["reason"] else []
    return state, f"the gate says {kind}: {'; '.join(reasons)}", []


def _sections(told: Mapping[str, Any]) -> Iterator[Section]:
    if told["missing"]:
        yield Section("Not there any more", " ".join(f"{line}." for line in told["missing"]))
    if told["evaluation"]:
        yield from evaluation.sections(told["evaluation"], "challenger")
    yield from _latency(told["latency"] or {})
    yield from _search(told["tuning"])
    if told["analysis"]:
        yield _bias(told["analysis"], told["violations"])
    rows = [
        (step["name"], step["digest"][:12], step["seconds"], "used again" if step["reused"] else "ran", step["why"])
        for step in told["training"]["steps"]
    ]
    if rows:
        yield Section("Steps", tables=[Table(("step", "digest", "seconds", "what was done", "why"), rows)])


def _latency(found: Mapping[str, Any]) -> Iterator[Section]:
    if found.get("candidate_us") is not None:
        row = (found["candidate_us"], found["champion_us"], found["ratio"])
        text = "Microseconds for one row, the median of rows asked one at a time and in turns."
        yield Section("Latency", text, [Table(("challenger", "champion", "ratio"), [row])])


def _search(tuning: Mapping[str, Any] | None) -> Iterator[Section]:
    if not tuning:
        return
    first, best, trials = tuning["first"], tuning["best"], tuning["trials"]
    rows: list[Sequence[Cell]] = [("Brier score", first["brier"], best["brier"])]
    rows += [(name, first["parameters"].get(name), value) for name, value in best["parameters"].items()]
    pruned = sum(trial["state"] == "pruned" for trial in trials)
    text = f"{len(trials):,} trials, {pruned:,} given up early."
    if not tuning["reproducible"]:
        text += " Several at a time, so another search would make other trials."
    whole = [(trial["number"], trial["brier"]) for trial in trials if trial["brier"] is not None]
    caption = "Best Brier score of the search so far, by trial"
    points = [*zip((number for number, _ in whole), accumulate((brier for _, brier in whole), min), strict=True)]
    drawn = [Figure(caption, figures.curves({"best so far": points}, caption))] if len(points) > 1 else []
    yield Section("Search for parameters", text, [Table(("", "without it", "best trial"), rows)], drawn)


def _bias(analysis: Mapping[str, Any], violations: Sequence[Mapping[str, Any]] | None) -> Section:
    """The metrics, a column a group; those that are worse than the champion's were are marked."""
    groups, values = bias.by_group(analysis)
    worse = {(str(one["metric_name"]), f"{one['facet']} = {one['facet_value']}") for one in violations or ()}
    rows = [(metric, *(found.get(group) for group in groups)) for metric, found in values.items()]
    marked = frozenset(
        place for place, metric in enumerate(values) if any((metric, group) in worse for group in groups)
    )
    text = str(analysis.get("note", ""))
    if worse:
        text += f" {len(worse)} surely farther from no bias than the champion's training found."
    return Section("Bias between groups", text.strip(), [Table(("metric", *groups), rows, marked)])
