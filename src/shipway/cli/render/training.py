"""Trainings, as lines: the verdict first, then what it rests on, then what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shipway.cli.render.runs import MARKS, doing
from shipway.cli.render.text import duration, plain, table

_FIGURES = (
    ("labels", "labels"), ("days", "days"), ("calibration_error", "calibration error"),
    ("champion_calibration_error", "the champion's"), ("latency_ratio", "latency, times the champion's"),
)  # fmt: skip


def training_table(trainings: list[dict[str, Any]], now: float) -> list[str]:
    """One line for each, the newest first; a sentence when there is none."""
    rows = [
        (
            f"{MARKS.get(one['run']['status'], '✘')} {one['run']['id']}",
            _months(one["training"]),
            doing(one["run"]),
            _verdict(one["training"]),
            _score(one["training"]),
            plain(one["training"]["version"] or "–"),
            one["run"]["by"],
            f"{duration(max(0.0, now - one['run']['created']))} ago",
        )
        for one in trainings
    ]
    heading = ("  RUN", "MONTHS", "STATUS", "VERDICT", "BRIER", "VERSION", "BY", "STARTED")
    return table(heading, rows) or ["no training yet: shipway train"]


def training_lines(one: dict[str, Any]) -> list[str]:
    """All that is known of a training."""
    return [*_lines(one)]


def comparison_lines(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    """Both in two columns."""
    facts = [{**dict(_facts(one)), **_bias_facts(one)} for one in (a, b)]
    names = [*facts[0], *(name for name in facts[1] if name not in facts[0])]
    rows = [(f"  {name}", facts[0].get(name, "–"), facts[1].get(name, "–")) for name in names]
    steps = [{step["name"]: step["digest"] for step in one["training"]["steps"]} for one in (a, b)]
    shared = [name for name, digest in steps[0].items() if steps[1].get(name) == digest]
    titles = ("", *(f"RUN {plain(one['run']['id'])}" for one in (a, b)))
    return [*table(titles, rows), f"  the same in both: {', '.join(map(plain, shared)) or 'no step'}"]


def _lines(one: dict[str, Any]) -> Iterator[str]:
    run, training = one["run"], one["training"]
    decision = training["decision"]
    said = f"{decision['kind']}: {'; '.join(map(plain, decision['reasons']))}" if decision else doing(run)
    yield f"{MARKS.get(run['status'], '✘')} run {plain(run['id'])}: {said}"
    for name, value in _facts(one):
        yield f"  {name:30}  {value}"
    yield from _bias((training["found"] or {}).get("bias", {}), training["bias"])
    for step in training["steps"]:
        how = "used again" if step["reused"] else f"took {duration(step['seconds'])}"
        yield f"  {plain(step['name']):9} {plain(step['digest'][:6])}  {how}: {plain(step['why'])}"
    if run["reason"] and not decision:
        yield f"  reason     {plain(run['reason'])}"
    if not run["live"]:
        yield f"  Page: shipway train report {plain(run['id'])} --html run-{plain(run['id'])}.html"
    if training["version"]:
        yield f'  Next: shipway model approve {plain(training["version"])} --why "…"'
    elif not run["live"]:
        yield f"  Next: {plain(run['fix']) or 'shipway train, once there is newer data'}"


def _facts(one: dict[str, Any]) -> Iterator[tuple[str, str]]:
    training, found = one["training"], one["training"]["found"] or {}
    yield "months", _months(training)
    yield "verdict", _verdict(training)
    yield "version", plain(training["version"] or "none")
    yield "champion", plain(training["champion"] or "none")
    yield "Brier, less the champion's", _score(training)
    if search := training["search"]:
        yield from _search(search)
    for key, name in _FIGURES:
        value = found.get(key)
        if value is not None:
            yield name, f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _search(search: dict[str, Any]) -> Iterator[tuple[str, str]]:
    said = f"{search['trials']:,}, {search['pruned']:,} given up"
    yield "trials", said if search["reproducible"] else f"{said}; several at a time, so it cannot be repeated exactly"
    yield "Brier in the search", f"{search['brier']:.5f}, {search['first']:.5f} without it"
    yield "parameters found", ", ".join(f"{plain(name)} {plain(value)}" for name, value in search["parameters"].items())


def _bias(found: dict[str, float | None], report: dict[str, Any] | None) -> Iterator[str]:
    """A line for each metric, a column for each group; then what they are about, and what has become worse."""
    figures: dict[str, dict[str, str]] = {}
    for name, value in found.items():
        metric, _, group = name.partition(" of ")
        figures.setdefault(metric, {})[group] = _figure(value)
    groups = list(dict.fromkeys(group for row in figures.values() for group in row))
    rows = [(f"  {plain(metric)}", *(row.get(group, "–") for group in groups)) for metric, row in figures.items()]
    yield from table(("  BIAS", *map(plain, groups)), rows)
    if report is None:
        return
    if report["note"]:
        yield f"  {plain(report['note'])}"
    for worse in report["worse"] or ():
        yield f"  worse than the champion's training found: {plain(worse)}"


def _bias_facts(one: dict[str, Any]) -> dict[str, str]:
    return {plain(name): _figure(value) for name, value in (one["training"]["found"] or {}).get("bias", {}).items()}


def _figure(value: float | None) -> str:
    return "cannot be computed" if value is None else f"{value:.3f}"


def _months(training: dict[str, Any]) -> str:
    window = training["window"]
    if window is None:
        return f"{plain(training['begin'] or '…')} – {plain(training['end'] or '…')}"
    return f"{plain(window['begin'])} – {plain(window['end'])}"


def _verdict(training: dict[str, Any]) -> str:
    return plain(training["decision"]["kind"]) if training["decision"] else "–"


def _score(training: dict[str, Any]) -> str:
    difference = (training["found"] or {}).get("brier_difference")
    if difference is None:
        return "–"
    return f"{difference['value']:+.4f} [{difference['low']:+.4f}, {difference['high']:+.4f}]"
