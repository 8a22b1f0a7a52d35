"""The report of bias between groups, of an analysis.json in the shape of SageMaker Clarify."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from model_monitoring.reports.frame import Cell, Page, Section, State, Table

KINDS = (("pre_training_bias_metrics", "Labels"), ("post_training_bias_metrics", "Predictions"))
FROM_ONE = ("DI",)
"""Metrics whose value without bias is 1; the others' is 0."""


def page(analysis: Mapping[str, Any], violations: Sequence[Mapping[str, str]] | None) -> Page:
    """The analysis' page. `violations` are those of its constraint_violations.json; None where it has no baseline."""
    counted = sum(1 for _ in _metrics(analysis))
    missing = sum(metric["value"] is None for _, _, _, metric in _metrics(analysis))
    failed = [
        f"{one['facet']} {one['facet_value']}, {one['metric_name']}: {one['description']}" for one in violations or ()
    ]
    state, verdict = _verdict(counted - missing, None if violations is None else len(failed))
    return Page(
        title="Bias between groups",
        state=state,
        verdict=verdict,
        facts=_facts(analysis) | {"could not be computed": f"{missing} of {counted}"},
        failed=failed,
        sections=[*_sections(analysis)],
    )


def by_group(analysis: Mapping[str, Any]) -> tuple[list[str], dict[str, dict[str, float | None]]]:
    """The groups, such as `carrier = MQ,EV`, and each metric's value by group; None is what cannot be computed."""
    groups: dict[str, None] = {}
    values: dict[str, dict[str, float | None]] = {}
    for _, column, group, metric in _metrics(analysis):
        name = f"{column} = {group}"
        groups[name] = None
        values.setdefault(metric["name"], {})[name] = metric["value"]
    return [*groups], values


def _verdict(computed: int, worse: int | None) -> tuple[State, str]:
    if worse:
        are = "metrics are" if worse > 1 else "metric is"
        return "bad", f"{worse} {are} surely farther from no bias than the baseline's"
    if worse is None:
        return "unsure", f"{computed} metrics, held to no baseline"
    return "good" if computed else "unsure", f"{computed} metrics, none surely worse than the baseline's"


def _facts(analysis: Mapping[str, Any]) -> dict[str, str]:
    names = {"note": "what the groups are", "rows": "rows", "threshold": "called 1 from"}
    return {said: str(analysis[name]) for name, said in names.items() if name in analysis}


def _metrics(analysis: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    for kind, _ in KINDS:
        for column, groups in analysis.get(kind, {}).get("facets", {}).items():
            for group in groups:
                for metric in group["metrics"]:
                    yield kind, column, str(group["value_or_threshold"]), metric


def _sections(analysis: Mapping[str, Any]) -> Iterator[Section]:
    for kind, title in KINDS:
        tables: dict[tuple[str, str], list[Sequence[Cell]]] = {}
        for of, column, group, metric in _metrics(analysis):
            if of == kind:
                none = 1.0 if metric["name"] in FROM_ONE else 0.0
                value = metric["value"] if metric["value"] is not None else metric.get("error", "")
                row = (
                    metric["name"],
                    value,
                    metric.get("low"),
                    metric.get("high"),
                    none,
                    metric.get("description", ""),
                )
                tables.setdefault((column, group), []).append(row)
        for (column, group), rows in tables.items():
            header = ("metric", "value", "from", "to", "without bias", "meaning")
            yield Section(f"{title}: {column} = {group}", tables=[Table(header, rows)])
