"""What the program is to do, by the environment that SageMaker Model Monitor gives its containers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from model_monitoring.problems import Problem
from model_monitoring.quality.judged import KINDS, Kind
from model_monitoring.windows import LENGTHS, Length, length_of

_FOREVER = datetime.max.replace(tzinfo=UTC)
_NEVER = datetime.min.replace(tzinfo=UTC)
FALSE_ALARMS = 0.05
"""Share of a baseline's own windows that would have alarmed, where nothing else is said."""
T = TypeVar("T")


@dataclass(frozen=True)
class Job:
    """A comparison if `champion` is given, a look if `statistics` and `constraints` are, else a baseline."""

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
    schedule: str
    metrics: bool
    time_column: str | None
    kept_hours: Path | None
    problem: Kind | None
    false_alarms: float
    given_length: Length | None
    counting: tuple[str, ...]
    champion: Path | None

    def length(self, oldest: float, newest: float) -> Length:
        """The length that the window is held to: what is said, else what it is nearest to.

        A window that is open at an end goes as far as its rows, from `oldest` to `newest` (Unix time).
        """
        since = oldest if self.since == _NEVER else self.since.timestamp()
        until = newest if self.until == _FOREVER else self.until.timestamp()
        return self.given_length or length_of(until - since)

    @property
    def times(self) -> dict[str, str]:
        """The window, as files of model quality tell it; nothing where there is none."""
        ends = {"start_time": self.since, "end_time": self.until}
        return {name: at.isoformat() for name, at in ends.items() if at not in (_NEVER, _FOREVER)}


def of(environment: Mapping[str, str]) -> Job:
    """The job. Raises Problem for what is missing or malformed.

    SageMaker's are `dataset_format`, `dataset_source`, `output_path`, `start_time`, `end_time`, `baseline_statistics`,
    `baseline_constraints`, `sagemaker_endpoint_name`, `sagemaker_monitoring_schedule_name`,
    `publish_cloudwatch_metrics`, `problem_type` and `probability_threshold_attribute`. Ours are `feature_schema` (a
    JSON file, `feature_schema` of a version's metadata.json, or that file itself), `ground_truth_source` (a folder),
    `ground_truth_sources` (those to be trusted, with commas between), `time_column` (of a table), `kept_hours` (a
    folder of summaries), `window_length` (of the baseline's windows that a look is held to, if not its own),
    `false_alarm_rate` (the share of a baseline's own windows that may alarm), `counting_columns` (those whose alarms
    count for it, with commas between; by default all), and `champion_source` (captured lines of a version to compare
    with).
    """
    schema = _schema(environment.get("feature_schema"))
    output = schema.get("output", {})
    sources = environment.get("ground_truth_sources")
    statistics, constraints = environment.get("baseline_statistics"), environment.get("baseline_constraints")
    if bool(statistics) != bool(constraints):
        raise Problem("baseline_statistics and baseline_constraints go together: give both, or neither for a baseline")
    if environment.get("champion_source") and not environment.get("ground_truth_source"):
        raise Problem("champion_source: versions are compared by labels; ground_truth_source must name their folder")
    return Job(
        form=_form(_needed(environment, "dataset_format")),
        source=Path(_needed(environment, "dataset_source")),
        output=Path(_needed(environment, "output_path")),
        # Captured times are whole seconds: what happened after half a second is stamped with the second before it.
        since=_time(environment, "start_time", _NEVER).replace(microsecond=0),
        until=_time(environment, "end_time", _FOREVER),
        statistics=Path(statistics) if statistics else None,
        constraints=Path(constraints) if constraints else None,
        features=tuple(str(feature["name"]) for feature in schema.get("features", ())),
        prediction=str(output.get("name", "prediction")),
        threshold=_share(environment, "probability_threshold_attribute", float(output.get("threshold") or 0.5)),
        labels=Path(environment["ground_truth_source"]) if environment.get("ground_truth_source") else None,
        label_sources=frozenset(sources.split(",")) if sources is not None else None,
        endpoint=environment.get("sagemaker_endpoint_name", ""),
        schedule=environment.get("sagemaker_monitoring_schedule_name", "shipway"),
        metrics=environment.get("publish_cloudwatch_metrics", "Disabled") == "Enabled",
        time_column=environment.get("time_column") or None,
        kept_hours=Path(environment["kept_hours"]) if environment.get("kept_hours") else None,
        problem=_one_of(environment, "problem_type", KINDS),
        false_alarms=_share(environment, "false_alarm_rate", FALSE_ALARMS),
        counting=tuple(name for name in environment.get("counting_columns", "").split(",") if name),
        champion=Path(environment["champion_source"]) if environment.get("champion_source") else None,
        given_length=_one_of(environment, "window_length", {length: length for length in LENGTHS}),
    )


def _one_of(environment: Mapping[str, str], name: str, allowed: Mapping[str, T]) -> T | None:
    text = environment.get(name)
    if text and text not in allowed:
        raise Problem(f"{name}: {text!r}; allowed: {', '.join(allowed)}")
    return allowed[text] if text else None


def _share(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name)
    try:
        found = float(text) if text else default
    except ValueError:
        found = -1.0
    if not 0 < found < 1:
        raise Problem(f"{name}: {text!r}; allowed: a number between 0 and 1, such as {default}")
    return found


def _needed(environment: Mapping[str, str], name: str) -> str:
    if not environment.get(name):
        raise Problem(f"the environment variable {name} is not set")
    return environment[name]


def _form(text: str) -> str:
    allowed = '{"sagemakerCaptureJson": {…}} or {"csv": {"header": true}} or {"parquet": {}}'
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise Problem(f"dataset_format: {error}; allowed: {allowed}") from None
    names = [*found] if isinstance(found, dict) else []
    if names == ["csv"] and not (found["csv"] or {}).get("header", True):
        raise Problem("dataset_format: a CSV without a header has no names; allowed: " + allowed)
    if names not in (["sagemakerCaptureJson"], ["csv"], ["parquet"]):
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
