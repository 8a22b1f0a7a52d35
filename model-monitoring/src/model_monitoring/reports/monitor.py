"""The report of a look: what failed, by how much, and how it looks beside the baseline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from model_monitoring.quality import binary
from model_monitoring.quality.judged import Judged
from model_monitoring.reports import figures
from model_monitoring.reports.frame import Cell, Figure, Page, Section, Table
from model_monitoring.reports.shares import side_by_side
from model_monitoring.statistics import Known

MAX_FIGURES = 12
Violations = Sequence[Mapping[str, str]]


def page(
    endpoint: str,
    facts: Mapping[str, str],
    rows: int,
    violations: Violations,
    distances: Sequence[Mapping[str, Any]],
    now: Mapping[str, Known],
    before: Mapping[str, Known],
    judged: Judged | None,
    windows: Mapping[str, Any],
) -> Page:
    """A look's page. `windows` are the baseline's own, of the look's length: their days and distances."""
    failed = [f"{_of(one)}: {one['description']}" for one in violations]
    drifted = {_of(one) for one in violations}
    return Page(
        title=f"Model monitor: {endpoint}" if endpoint else "Model monitor",
        state="unsure" if not rows else "bad" if failed else "good",
        verdict=_verdict(rows, failed),
        facts=facts,
        failed=failed[:MAX_FIGURES],
        sections=[
            *_violations(violations),
            _distances(distances),
            *_quality(judged),
            _figures(distances, drifted, now, before, windows),
            _columns(now, before),
        ],
    )


def _verdict(rows: int, failed: Sequence[str]) -> str:
    if not rows:
        return "no rows in the window: no evidence, for or against"
    if not failed:
        return f"{rows:,} rows as the baseline has them"
    return f"{len(failed)} check{'s' if len(failed) > 1 else ''} failed in {rows:,} rows"


def _of(violation: Mapping[str, str]) -> str:
    return violation.get("feature_name", violation.get("metric_name", "")) or "the data"


def _violations(violations: Violations) -> Iterator[Section]:
    if len(violations) > MAX_FIGURES:  # fewer stand above
        rows = [(_of(one), one["constraint_check_type"], one["description"]) for one in violations]
        yield Section("All failed checks", tables=[Table(("of", "check", "what was found"), rows)])


def _distances(distances: Sequence[Mapping[str, Any]]) -> Section:
    furthest = sorted(distances, key=lambda one: (not one["is_drift"], -one["value"]))
    rows = [(one["feature_name"], one["method"], one["value"], one["threshold"]) for one in furthest]
    marked = frozenset(place for place, one in enumerate(furthest) if one["is_drift"])
    text = "How far each column lies from the baseline, beyond what chance explains. Of ChiSquared it is a p-value."
    return Section("Distances", text, [Table(("column", "method", "distance", "threshold"), rows, marked)])


def _quality(judged: Judged | None) -> Iterator[Section]:
    if judged is None or not len(judged):
        return
    joined = judged.joined
    share = len(judged) / joined.rows
    text = f"By {len(judged):,} labelled rows, {share:.0%} of the window's. Labels: {joined.corrected:,} corrected, "
    text += f"{joined.repeated:,} repeated, {joined.unknown:,} of unknown rows, {joined.early:,} known too early."
    rows: list[Sequence[Cell]] = [*judged.metrics().items()]
    drawn = []
    if judged.kind == "binary_classification":
        bins = binary.reliability(joined.predictions[judged.rows], joined.labels[judged.rows])
        caption = "Calibration: what came true, by what was predicted"
        points = [(one["mean_prediction"], one["label_rate"]) for one in bins]
        drawn.append(Figure(caption, figures.curves({"perfect": [(0, 0), (1, 1)], "window": points}, caption)))
    yield Section("Quality", text, [Table(("metric", "value"), rows)], drawn)


def _figures(
    distances: Sequence[Mapping[str, Any]],
    failed: set[str],
    now: Mapping[str, Known],
    before: Mapping[str, Known],
    windows: Mapping[str, Any],
) -> Section:
    furthest = sorted(distances, key=lambda one: (one["feature_name"] not in failed, -one["value"]))
    drawn = []
    for one in furthest[:MAX_FIGURES]:
        name = one["feature_name"]
        shares = side_by_side(before[name], now[name])
        if shares is not None:
            labels, first, second = shares
            caption = f"{name}: shares of rows, baseline and window"
            drawn.append(Figure(caption, figures.bars(labels, {"baseline": first, "window": second}, caption)))
        if name in failed and windows and one["method"] != "ChiSquared":
            drawn.append(_history(name, one, windows))
    return Section("Columns that changed most", "", figures=drawn)


def _history(name: str, one: Mapping[str, Any], windows: Mapping[str, Any]) -> Figure:
    caption = f"{name}: distances of the baseline's own windows, the threshold, and this window's"
    before = [window["distances"].get(name, 0.0) for window in windows["windows"]]
    series: dict[str, list[float | None]] = {
        "baseline's windows": [*before, None],
        "this window": [None] * len(before) + [one["value"]],
        "threshold": [one["threshold"]] * (len(before) + 1),
    }
    labels = [*(window["begins"] for window in windows["windows"]), "now"]
    return Figure(caption, figures.lines(labels, series, caption))


def _columns(now: Mapping[str, Known], before: Mapping[str, Known]) -> Section:
    rows = [
        (name, one.kind, one.present, one.missing, before[name].kind if name in before else None)
        for name, one in now.items()
    ]
    return Section("Columns", "", [Table(("column", "type", "present", "missing", "baseline's type"), rows)])
