"""A look: a window of traffic, held to a baseline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from model_monitoring import constraints, statistics, violations
from model_monitoring.baseline import unreadable
from model_monitoring.constraints import Constraints
from model_monitoring.files import write, write_json
from model_monitoring.job import Job
from model_monitoring.quality import held as quality
from model_monitoring.quality.held import Constraints as QualityConstraints
from model_monitoring.quality.judged import Judged, kind_of
from model_monitoring.reading import Read, read
from model_monitoring.reports import monitor
from model_monitoring.reports.frame import Page, render
from model_monitoring.statistics import Known
from model_monitoring.windows import Length


@dataclass(frozen=True)
class Baseline:
    """What a window is held to. It is small, whatever it was made of, and its rows are never read again."""

    known: Mapping[str, Known]
    constraints: Constraints
    quality: QualityConstraints
    windows: Mapping[str, Any]

    @classmethod
    def read(cls, statistics_file: Path, constraints_file: Path) -> Baseline:
        """Raises Problem for edited files that have mistakes, OSError."""
        known = statistics.known(statistics_file.read_bytes(), statistics_file.name)
        of_columns = constraints.read(constraints_file.read_bytes(), constraints_file.name, known)
        quality_file = constraints_file.with_name("model_quality_constraints.json")
        of_quality = QualityConstraints(0.0)
        if quality_file.exists():
            of_quality = quality.read(quality_file.read_bytes(), quality_file.name)
        windows_file = constraints_file.with_name("baseline_windows.json")
        windows = msgspec.json.decode(windows_file.read_bytes())["lengths"] if windows_file.exists() else {}
        return cls(known, of_columns, of_quality, windows)


def at(work: Job, baseline: Baseline, base: Path) -> str:
    """Write statistics.json and constraint_violations.json, distances.json (ours), and the same of model quality.

    Answers what is to be told. Raises Problem and OSError.
    """
    found = read(work)
    length = work.length(found.oldest, found.newest)
    now = {name: statistics.known_of(name, column) for name, column in found.summary.columns.items()}
    broken = [*violations.unreadable(found.lines, found.unreadable)]
    if found.summary.rows:
        broken += violations.check(found.summary, now, baseline.known, baseline.constraints, length)
    judged = _judged(work, baseline, found)
    worse = [] if judged is None else [*quality.check(judged, baseline.quality, length)]
    distances = [*_distances(baseline, now, length)]

    work.output.mkdir(parents=True, exist_ok=True)
    write_json(work.output / "statistics.json", statistics.document(found.summary) | unreadable(found))
    write_json(work.output / "distances.json", {"length": length, "features": distances})
    if judged is not None:
        write_json(work.output / "model_quality_statistics.json", judged.document(work.times))
        write_json(work.output / "model_quality_constraint_violations.json", {"violations": worse})
    write_json(work.output / "constraint_violations.json", {"violations": broken})
    # Last, as it is for people: whatever is wrong with it, the files are there.
    page = _page(work, found, baseline, now, [*broken, *worse], distances, judged, length)
    write(work.output / "report.html", render(page).encode())
    if work.metrics:
        _emit(work, base, baseline, found, distances, judged)
    return _told(found, len(broken) + len(worse))


def _page(
    work: Job,
    found: Read,
    baseline: Baseline,
    now: Mapping[str, Known],
    failed: list[dict[str, str]],
    distances: list[dict[str, Any]],
    judged: Judged | None,
    length: Length,
) -> Page:
    facts = {
        "window": " to ".join(work.times.values()) or "everything",
        "rows": f"{found.summary.rows:,} of {found.lines:,} lines or rows",
        "left out": ", ".join(f"{count:,} {kind}" for kind, count in sorted(found.unreadable.items())) or "nothing",
        "held to": f"the baseline's windows of a {length}" if length in baseline.windows else "the baseline",
    }
    return monitor.page(
        work.endpoint,
        facts,
        found.summary.rows,
        failed,
        distances,
        now,
        baseline.known,
        judged,
        baseline.windows.get(length, {}),
    )


def _judged(work: Job, baseline: Baseline, found: Read) -> Judged | None:
    if found.joined is None:
        return None
    return Judged(found.joined, work.problem or baseline.quality.kind or kind_of(found.joined), work.threshold)


def _distances(baseline: Baseline, now: Mapping[str, Known], length: Length) -> Iterator[dict[str, Any]]:
    for feature in baseline.constraints.features:
        config = baseline.constraints.config_of(feature).distribution_constraints
        if feature.name in now and config.perform_comparison == "Enabled":
            measured = violations.measure(config, now[feature.name], baseline.known[feature.name], length)
            if measured is not None:
                yield {
                    "feature_name": feature.name,
                    "method": measured.method,
                    "value": measured.value,
                    "threshold": measured.threshold,
                    "is_drift": measured.is_drift,
                }


def _told(found: Read, count: int) -> str:
    said = f"{found.summary.rows} rows, {count} violation{'' if count == 1 else 's'}"
    hours = found.reused_hours + found.decoded_hours
    return f"{said}; {found.reused_hours} of {hours} hours were summarised already" if found.reused_hours else said


def _emit(
    work: Job, base: Path, baseline: Baseline, found: Read, distances: list[dict[str, Any]], judged: Judged | None
) -> None:
    """Metrics as the platform takes them from a file: one JSON object a line."""
    metrics: dict[str, float | None] = {"rows": float(found.summary.rows)}
    for one in distances:
        feature = next(feature for feature in baseline.constraints.features if feature.name == one["feature_name"])
        if baseline.constraints.config_of(feature).emit_metrics == "Enabled":
            metrics[f"feature_baseline_drift_{feature.name}"] = one["value"]
    if judged is not None:
        metrics |= judged.metrics()
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    dimensions = [
        {"Name": "Endpoint", "Value": work.endpoint},
        {"Name": "MonitoringSchedule", "Value": work.schedule},
    ]
    lines = [
        msgspec.json.encode({"MetricName": name, "Timestamp": moment, "Dimensions": dimensions, "Value": value})
        for name, value in metrics.items()
        if value is not None
    ]
    write(
        base / "output" / "metrics" / "cloudwatch" / "cloudwatch_metrics.jsonl", b"".join(one + b"\n" for one in lines)
    )
