"""What the program is to do, by the environment that SageMaker Model Monitor gives its containers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from model_monitoring.problems import Problem

_FOREVER = datetime.max.replace(tzinfo=UTC)
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Job:
    """A baseline, where `baseline` is None, or a look at a window by a baseline's folder of files."""

    form: str
    source: Path
    output: Path
    since: datetime
    until: datetime
    statistics: Path | None
    constraints: Path | None
    features: tuple[str, ...]
    prediction: str
    threshold: float
    labels: Path | None
    label_sources: frozenset[str] | None
    endpoint: str
    metrics: bool


def of(environment: Mapping[str, str]) -> Job:
    """The job. Raises Problem for what is missing or malformed.

    `dataset_format`, `dataset_source`, `output_path`, `start_time`, `end_time`, `baseline_statistics`,
    `baseline_constraints`, `sagemaker_endpoint_name` and `publish_cloudwatch_metrics` are SageMaker's. Ours are
    `feature_schema` (a JSON file, `feature_schema` of a version's metadata.json, or that file itself),
    `ground_truth_source` (a folder) and `ground_truth_sources` (those to be trusted, with commas between).
    """
    schema = _schema(environment.get("feature_schema"))
    output = schema.get("output", {})
    sources = environment.get("ground_truth_sources")
    statistics, constraints = environment.get("baseline_statistics"), environment.get("baseline_constraints")
    if bool(statistics) != bool(constraints):
        raise Problem("baseline_statistics and baseline_constraints go together: give both, or neither for a baseline")
    return Job(
        form=_form(_needed(environment, "dataset_format")),
        source=Path(_needed(environment, "dataset_source")),
        output=Path(_needed(environment, "output_path")),
        since=_time(environment, "start_time", _NEVER),
        until=_time(environment, "end_time", _FOREVER),
        statistics=Path(statistics) if statistics else None,
        constraints=Path(constraints) if constraints else None,
        features=tuple(str(feature["name"]) for feature in schema.get("features", ())),
        prediction=str(output.get("name", "prediction")),
        threshold=float(output.get("threshold") or 0.5),
        labels=Path(environment["ground_truth_source"]) if environment.get("ground_truth_source") else None,
        label_sources=frozenset(sources.split(",")) if sources is not None else None,
        endpoint=environment.get("sagemaker_endpoint_name", ""),
        metrics=environment.get("publish_cloudwatch_metrics", "Disabled") == "Enabled",
    )


def _needed(environment: Mapping[str, str], name: str) -> str:
    if not environment.get(name):
        raise Problem(f"the environment variable {name} is not set")
    return environment[name]


def _form(text: str) -> str:
    allowed = '{"sagemakerCaptureJson": {…}} or {"csv": {"header": true}}'
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise Problem(f"dataset_format: {error}; allowed: {allowed}") from None
    names = [*found] if isinstance(found, dict) else []
    if names == ["csv"] and not (found["csv"] or {}).get("header", True):
        raise Problem("dataset_format: a CSV without a header has no names; allowed: " + allowed)
    if names not in (["sagemakerCaptureJson"], ["csv"]):
        raise Problem(f"dataset_format: {text}; allowed: {allowed}")
    return str(names[0])


def _time(environment: Mapping[str, str], name: str, default: datetime) -> datetime:
    text = environment.get(name)
    if not text:
        return default
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Problem(f"{name}: {text!r} is no time such as 2026-11-01T00:00:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _schema(path: str | None) -> dict[str, Any]:
    if not path:
        return {}
    try:
        found = msgspec.json.decode(Path(path).read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise Problem(f"feature_schema: {path}: {error}") from None
    found = found.get("feature_schema", found) if isinstance(found, dict) else found
    if not isinstance(found, dict) or not isinstance(found.get("features"), list):
        raise Problem(f"feature_schema: {path} has no list `features`")
    return found
