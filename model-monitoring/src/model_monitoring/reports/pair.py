"""The report of two trainings side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from model_monitoring.reports import bias, evaluation, training
from model_monitoring.reports.frame import Cell, Page, Section, Table, told

Told = Mapping[str, Any]


def page(both: Mapping[str, Told]) -> Page:
    """The page of `a` and `b`, each as `training.page` takes it."""
    pair = [both["a"], both["b"]]
    names = [f"run {one['run']['id']}" for one in pair]
    return Page(
        title=f"Trainings {pair[0]['run']['id']} and {pair[1]['run']['id']}",
        state="unsure",
        verdict=_verdict(pair, names),
        facts={name: _gate(one) for name, one in zip(names, pair, strict=True)},
        sections=[*_sections(pair, names)],
    )


def _gate(one: Told) -> str:
    decision = one["training"]["decision"]
    return (
        f"{decision['kind']}: {'; '.join(decision['reasons'])}" if decision else f"{one['run']['status']}, no verdict"
    )


def _verdict(pair: Sequence[Told], names: Sequence[str]) -> str:
    """Which has the better figures, where that can be said: nobody has compared the two row by row."""
    prepared = [_digests(one).get("prepare") for one in pair]
    scores: list[Any] = [
        ((one["evaluation"] or {}).get("candidate", {}).get("brier") or {}).get("value") for one in pair
    ]
    if None in scores:
        return "not both have figures"
    if None in prepared or prepared[0] != prepared[1]:
        return "learned from and tested on other data: their figures cannot be compared"
    if scores[0] == scores[1]:
        return f"the same Brier score on the same rows: {told(scores[0])}"
    better = min((0, 1), key=lambda place: scores[place])
    return (
        f"{names[better]} has the lower Brier score on the same rows: {scores[better]:.5f}, {names[1 - better]} "
        f"{scores[1 - better]:.5f}; by how much beyond chance, only each one's gate says, against its champion"
    )


def _sections(pair: Sequence[Told], names: Sequence[str]) -> Iterator[Section]:
    known = [training.facts(one) for one in pair]
    yield _side_by_side("What they were", known, names)
    models = [
        {
            metric: evaluation.cell(value)
            for metric, value in one["evaluation"]["candidate"].items()
            if metric != "error"
        }
        if one["evaluation"]
        else {}
        for one in pair
    ]
    if any(models):
        yield _side_by_side("Figures", models, names)
    values = [_bias(one["analysis"]) for one in pair]
    if any(values):
        yield _side_by_side("Bias between groups", values, names)
    digests = [_digests(one) for one in pair]
    rows = [
        (name, *(found.get(name, "–")[:12] for found in digests), "yes" if _same(digests, name) else "no")
        for name in dict.fromkeys(name for found in digests for name in found)
    ]
    yield Section("Steps", tables=[Table(("step", *names, "the same result"), rows)])


def _side_by_side(title: str, found: Sequence[Mapping[str, Cell]], names: Sequence[str]) -> Section:
    both = dict.fromkeys(name for one in found for name in one)
    return Section(title, tables=[Table(("", *names), [(name, *(one.get(name) for one in found)) for name in both])])


def _bias(analysis: Mapping[str, Any] | None) -> dict[str, Cell]:
    if not analysis:
        return {}
    groups, values = bias.by_group(analysis)
    return {f"{metric} of {group}": found.get(group) for group in groups for metric, found in values.items()}


def _digests(one: Told) -> dict[str, str]:
    return {step["name"]: step["digest"] for step in one["training"]["steps"]}


def _same(digests: Sequence[Mapping[str, str]], name: str) -> bool:
    return name in digests[0] and digests[0][name] == digests[1].get(name)
