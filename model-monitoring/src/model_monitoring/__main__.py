"""The program: SageMaker Model Monitor's contract, `python -m model_monitoring`.

Without baseline files it writes statistics.json and constraints.json; with them, statistics.json and
constraint_violations.json. With labels, model_quality_statistics.json, and for a baseline its constraints.
`SAGEMAKER_BASE_DIR` stands for /opt/ml.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from model_monitoring import constraints, job, quality, statistics, table, violations
from model_monitoring.captured import Capture, Columns
from model_monitoring.job import Job
from model_monitoring.labels import Labels
from model_monitoring.problems import Problem
from model_monitoring.statistics import Known
from model_monitoring.summary import Summary

_MESSAGE = 1024
_PREDICTION, _LABEL = "prediction", "label"


def main(environment: dict[str, str]) -> int:
    """The exit code; the last word is in `output/message`."""
    base = Path(environment.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    try:
        said = run(job.of(environment), base)
        code = 0
    except (Problem, OSError) as problem:
        said, code = str(problem), 1
    _write(base / "output" / "message", said[:_MESSAGE].encode())
    print(said, file=sys.stderr if code else sys.stdout)
    return code


def run(work: Job, base: Path) -> str:
    """Do it; what is to be told in one line. Raises Problem and OSError."""
    baseline = _baseline(work)
    summary, judged, unreadable, lines = _read(work)
    work.output.mkdir(parents=True, exist_ok=True)
    written = _encode(statistics.document(summary) | {"unreadable": {"lines": lines, "kinds": dict(unreadable)}})
    _write(work.output / "statistics.json", written)
    if judged is not None:
        _quality(work, judged, is_baseline=baseline is None)
    if baseline is None:
        _write(work.output / "constraints.json", _encode(constraints.suggested(summary)))
        return f"baseline of {summary.rows} rows and {len(summary.columns)} columns"
    known, held = baseline
    now = statistics.known(written, "statistics.json")
    found = [*violations.unreadable(lines, unreadable)]
    if summary.rows:
        found += violations.check(summary, now, known, held)
    _write(work.output / "constraint_violations.json", _encode({"violations": found}))
    if work.metrics:
        _emit(work, base, now, known, held)
    return f"{summary.rows} rows, {len(found)} violations"


def _baseline(work: Job) -> tuple[dict[str, Known], constraints.Constraints] | None:
    if work.statistics is None or work.constraints is None:
        return None
    known = statistics.known(work.statistics.read_bytes(), work.statistics.name)
    held = constraints.read(work.constraints.read_bytes(), work.constraints.name)
    for place, feature in enumerate(held.features):
        if feature.name not in known:
            where = f"{work.constraints.name}: feature {feature.name!r} is not in the baseline"
            raise Problem(f"{where} - at `$.features[{place}].name`; there is: {', '.join([*known][:20])}")
    return known, held


def _read(work: Job) -> tuple[Summary, quality.Judged | None, dict[str, int], int]:
    summary = Summary()
    if not work.source.exists():
        return summary, quality.Judged() if work.labels else None, {}, 0
    if work.form == "csv":
        judged = quality.Judged()
        for columns, count in table.batches(work.source):
            _name_answers(columns, work.prediction)
            judged.add_labelled(columns.get(work.prediction), columns.pop(_LABEL, None), count)
            summary.add(columns, count)
        return summary, judged if judged.labels else None, {}, summary.rows
    labels = Labels(work.labels, work.label_sources) if work.labels else None
    judged = quality.Judged() if labels else None
    capture = Capture(work.source, work.since, work.until, work.features, work.prediction)
    for rows in capture.batches():
        columns = rows.columns
        summary.add(columns, len(rows))
        if labels is not None and judged is not None:
            judged.add(rows.events, columns[work.prediction], labels.of_event)
    return summary, judged, capture.unreadable, capture.lines


def _name_answers(columns: Columns, prediction: str) -> None:
    """Held-out rows of a version call what the model answered `prediction`, whatever its name is in the schema."""
    if prediction not in columns and _PREDICTION in columns:
        columns[prediction] = columns.pop(_PREDICTION)


def _quality(work: Job, judged: quality.Judged, *, is_baseline: bool) -> None:
    found = quality.document(judged, work.threshold)
    _write(work.output / "model_quality_statistics.json", _encode(found))
    if is_baseline:
        _write(work.output / "model_quality_constraints.json", _encode(quality.suggested(found)))


def _emit(work: Job, base: Path, now: dict[str, Known], known: dict[str, Known], held: constraints.Constraints) -> None:
    """Metrics as the platform takes them from a file: one JSON object a line."""
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    lines = []
    for feature in held.features:
        config = held.config_of(feature)
        if config.emit_metrics == "Disabled" or feature.name not in now or feature.name not in known:
            continue
        measured = violations.measure(config.distribution_constraints, now[feature.name], known[feature.name])
        if measured is not None:
            dimensions = [
                {"Name": "Endpoint", "Value": work.endpoint},
                {"Name": "MonitoringSchedule", "Value": "shipway"},
            ]
            metric = {"MetricName": f"feature_baseline_drift_{feature.name}", "Timestamp": at, "Dimensions": dimensions}
            lines.append(_encode(metric | {"Value": measured[1]}))
    folder = base / "output" / "metrics" / "cloudwatch"
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "cloudwatch_metrics.jsonl", b"".join(line + b"\n" for line in lines))


def _encode(document: Any) -> bytes:
    return msgspec.json.encode(document)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(content)
    new.replace(path)


if __name__ == "__main__":
    sys.exit(main(dict(os.environ)))
