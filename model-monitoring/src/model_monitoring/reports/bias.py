"""The report of bias between groups, of an analysis.json in the shape of SageMaker Clarify."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from model_monitoring.reports.frame import Cell, Page, Section, Table

KINDS = (("pre_training_bias_metrics", "Labels"), ("post_training_bias_metrics", "Predictions"))
FROM_ONE = ("DI",)
"""Metrics whose value without bias is 1; the others' is 0."""


def page(analysis: Mapping[str, Any], violations: Sequence[Mapping[str, str]] = ()) -> Page:
    """The analysis' page. `violations` are those of its constraint_violations.json, held to a baseline."""
    missing = [metric for _, _, _, metric in _metrics(analysis) if metric["value"] is None]
    failed = [f"{one['facet']} {one['facet_value']}, {one['metric_name']}: {one['description']}" for one in violations]
    counted = sum(1 for _ in _metrics(analysis))
    verdict = f"{counted - len(missing)} metrics, none surely worse than the baseline's" if not failed else ""
    return Page(
        title="Bias between groups",
        state="bad" if failed else "unsure" if counted == len(missing) else "good",
        verdict=verdict or f"{len(failed)} metrics are surely farther from no bias than the baseline's",
        facts=_facts(analysis) | {"could not be computed": f"{len(missing)} of {counted}"},
        failed=failed,
        sections=[*_sections(analysis)],
    )


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
