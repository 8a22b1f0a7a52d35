"""Runs the monitoring program over captured traffic, in an environment of its own, and keeps what it wrote."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import TypeAdapter

from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.core.monitoring.watch import Seen, Violation
from shipway.core.ports.learning import Kept, Monitoring
from shipway.core.ports.telling import Tell
from shipway.core.releases.release import Release
from shipway.core.views.learning import MonitorView

LOCK = "model-monitoring/requirements.lock"
TIMEOUT = 1800.0
METRICS = "cloudwatch_metrics.jsonl"
MOST_LOOKS = 100
"""Looks at a version whose files are kept, the newest."""
OTHER_VERSIONS = 2
"""Versions beside the one that is looked at whose summarised hours are kept, those looked at last."""
_CAPTURED = '{"sagemakerCaptureJson": {"captureIndexNames": ["endpointInput", "endpointOutput"]}}'
_TABLE = '{"csv": {"header": true}}'
_PARQUET = '{"parquet": {}}'
_LAST_WORDS = 400
_views: TypeAdapter[MonitorView] = TypeAdapter(MonitorView)

PythonFor = Callable[[Path, Tell], Path]
Run = Callable[[Sequence[str], Path, Mapping[str, str], float], tuple[int, str]]
"""(words, folder, variables, seconds) → exit code and last output. Raises subprocess.TimeoutExpired, OSError."""


@dataclass(frozen=True, slots=True)
class Captured:
    """Where an environment's model service captures: bucket, endpoint, and the version that serves."""

    bucket: Path
    endpoint: str
    version: str

    @property
    def traffic(self) -> Path:
        """The version's captured lines. SageMaker allows no dots in a variant's name."""
        return self.bucket / self.endpoint / self.version.replace(".", "-")

    @property
    def labels(self) -> Path:
        """The endpoint's ground truth."""
        return self.bucket / "ground-truth" / self.endpoint

    @property
    def baselines(self) -> Path:
        """A folder for each baseline of the version; the newest, which comes last by name, counts."""
        return self.bucket / "baselines" / self.endpoint / self.version

    @property
    def looks(self) -> Path:
        """A folder for each look."""
        return self.bucket / "monitoring" / self.endpoint / self.version

    @property
    def hours(self) -> Path:
        """Hours of traffic that are summarised already."""
        return self.bucket / "monitoring-hours" / self.endpoint / self.version


@dataclass(frozen=True)
class ProgramMonitoring(Monitoring):
    """`programs` holds `model-monitoring`; `version_folder` answers a version's folder in the model bucket.

    `captures` answers where an environment's release captures, None if nowhere.
    """

    python_for: PythonFor
    programs: Path
    run: Run
    captures: Callable[[str, Release], Captured | None]
    version_folder: Callable[[str], Path]
    kept: Path
    timeout: float = TIMEOUT

    def baseline(
        self,
        environment: str,
        release: Release,
        table: str | None,
        window: tuple[float, float] | None,
        tell: Tell,
        time: str | None = None,
        counting: Sequence[str] = (),
        false_alarms: float = 0.05,
        sources: Sequence[str] = (),
    ) -> Kept:
        captured = self._captured(environment, release)
        if table is None and window is not None:
            variables = _traffic(captured, window, sources)
        else:
            source, time = self._own_rows(captured) if table is None else (Path(table), time)
            variables = {"dataset_format": _form(source), "dataset_source": str(source)}
            variables |= {"time_column": time} if time else {}
        variables |= {"counting_columns": ",".join(counting), "false_alarm_rate": str(false_alarms)}
        return self._kept(captured, captured.baselines, variables, tell)

    def look(
        self,
        environment: str,
        release: Release,
        window: tuple[float, float],
        sources: Sequence[str],
        tell: Tell,
        length: str | None = None,
    ) -> Kept:
        captured = self._captured(environment, release)
        baseline = max(_folders(captured.baselines), default=None)
        if baseline is None:
            raise Refused(
                f"{captured.version} has no baseline in {environment}",
                fix=f"shipway monitor baseline {environment}",
                state="nothing was looked at",
            )
        variables = _traffic(captured, window, sources) | {
            "baseline_statistics": str(baseline / "statistics.json"),
            "baseline_constraints": str(baseline / "constraints.json"),
            "sagemaker_endpoint_name": captured.endpoint,
            "publish_cloudwatch_metrics": "Enabled",
        }
        if length:
            variables["window_length"] = length
        kept = self._kept(captured, captured.looks, variables, tell)
        _forget(captured)
        return kept

    def compare(
        self,
        environment: str,
        release: Release,
        champion: str,
        window: tuple[float, float],
        sources: Sequence[str],
        tell: Tell,
    ) -> Mapping[str, Any]:
        captured = self._captured(environment, release)
        variables = _traffic(captured, window, sources)
        variables["champion_source"] = str(replace(captured, version=champion).traffic)
        with tempfile.TemporaryDirectory(prefix="shipway-comparison-") as work:
            self._run(captured, Path(work), variables, tell)
            return _read(Path(work) / "made" / "evaluation.json")

    def newest(self, environment: str) -> MonitorView | None:
        try:
            return _views.validate_json((self.kept / f"{quote(environment, safe='')}.json").read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            path = self.kept / f"{environment}.json"
            raise ShipwayError(f"{path} is damaged ({error})", fix=f"shipway monitor run {environment}") from None

    def keep(self, view: MonitorView) -> None:
        if view.verdict is not None:
            _write_verdict(Path(view.folder) / "verdict_metrics.jsonl", view, view.verdict.state)
        self.kept.mkdir(parents=True, exist_ok=True)
        path = self.kept / f"{quote(view.environment, safe='')}.json"
        new = path.with_suffix(".new")
        new.write_bytes(_views.dump_json(view))
        new.replace(path)

    def _captured(self, environment: str, release: Release) -> Captured:
        captured = self.captures(environment, release)
        if captured is None:
            raise Refused(
                f"no service in {environment} captures what its model is asked",
                fix="set CAPTURE: file://{buckets}/monitoring-bucket in the model service's env, and deploy",
                state="nothing was looked at",
            )
        return captured

    def _own_rows(self, captured: Captured) -> tuple[Path, str | None]:
        """What the version learned from, or its held-out rows; and which column is their time, if metadata.json says so."""
        folder = self.version_folder(captured.version)
        metadata = _read(folder / "metadata.json")
        found = metadata.get("baseline") or metadata.get("holdout")
        if not found:
            raise Refused(
                f"{captured.version} has neither a baseline nor held-out rows",
                fix="name a table (--from TABLE.csv), or a time of good traffic (--since)",
                state="nothing was looked at",
            )
        return folder / str(found["file"]), found.get("time")

    def _kept(self, captured: Captured, place: Path, variables: dict[str, str], tell: Tell) -> Kept:
        """Run the program into a folder beside the final one, which appears whole, by one rename."""
        place.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".incoming-", dir=place))
        try:
            self._run(captured, work, variables, tell)
            made = work / "made"
            with suppress(FileNotFoundError):
                (work / "output" / "metrics" / "cloudwatch" / METRICS).rename(made / METRICS)
            seen = _seen(made)
            folder = place / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
            made.rename(folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return Kept(captured.version, seen, str(folder))

    def _run(self, captured: Captured, work: Path, variables: dict[str, str], tell: Tell) -> None:
        python = self.python_for(self.programs / LOCK, tell)
        schema = self.version_folder(captured.version) / "metadata.json"
        given = variables | {
            "PATH": f"{python.parent}:{os.defpath}",
            "PYTHONPATH": str(self.programs / "model-monitoring" / "src"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(work),
            "LANG": "C.UTF-8",
            # One thread: this machine serves requests meanwhile.
            **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
            "SAGEMAKER_BASE_DIR": str(work),
            "output_path": str(work / "made"),
            "feature_schema": str(schema),
            "kept_hours": str(captured.hours),
        }
        tell(f"looking at {captured.endpoint} {captured.version}")
        try:
            code, printed = self.run([str(python), "-sP", "-m", "model_monitoring"], work, given, self.timeout)
        except subprocess.TimeoutExpired:
            raise ShipwayError(
                f"the monitoring program was not done within {self.timeout:.0f} s",
                fix="look at a shorter window: --since 1h",
                state="nothing changed",
            ) from None
        said = ""
        with suppress(OSError):
            said = (work / "output" / "message").read_text("utf-8", "replace")
        if code == 0:
            tell(said)
            return
        if said:
            raise Refused(
                f"the monitoring program refused: {said}", fix="correct what it names", state="nothing changed"
            )
        raise ShipwayError(
            f"the monitoring program ended with {code}: {printed.strip()[-_LAST_WORDS:] or 'it said nothing'}",
            state="nothing changed",
        )


def _form(source: Path) -> str:
    """The dataset format of a table. Raises UsageError for one that is not there."""
    if not source.exists():
        raise UsageError(
            f"there is no {source}", fix="name a CSV file with a header, a Parquet file, or a folder of them"
        )
    is_parquet = source.suffix == ".parquet" or (source.is_dir() and any(source.rglob("*.parquet")))
    return _PARQUET if is_parquet else _TABLE


def _forget(captured: Captured) -> None:
    """Remove the version's oldest looks, and the hours of versions that were not looked at for longest."""
    others = [folder for folder in _folders(captured.hours.parent) if folder != captured.hours]
    with suppress(FileNotFoundError):  # another look removed it meanwhile
        others.sort(key=lambda folder: folder.stat().st_mtime)  # each new hour changes it
        for old in (*sorted(_folders(captured.looks))[:-MOST_LOOKS], *others[:-OTHER_VERSIONS]):
            shutil.rmtree(old, ignore_errors=True)


def _folders(place: Path) -> list[Path]:
    with suppress(FileNotFoundError):
        return [path for path in place.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return []


def _traffic(captured: Captured, window: tuple[float, float], sources: Sequence[str]) -> dict[str, str]:
    """The version's captured lines of a window, and the labels of these sources; of all, if none is named."""
    start, end = (datetime.fromtimestamp(moment, UTC).isoformat() for moment in window)
    trusted = {"ground_truth_sources": ",".join(sources)} if sources else {}
    return trusted | {
        "dataset_format": _CAPTURED,
        "dataset_source": str(captured.traffic),
        "start_time": start,
        "end_time": end,
        "ground_truth_source": str(captured.labels),
    }


def _seen(made: Path) -> Seen:
    """What the program wrote, in brief."""
    statistics = _read(made / "statistics.json")
    violations = _read(made / "constraint_violations.json").get("violations", [])
    violations += _read(made / "model_quality_constraint_violations.json").get("violations", [])
    quality = _read(made / "model_quality_statistics.json")
    metrics: dict[str, Any] = next((found for kind, found in quality.items() if kind.endswith("_metrics")), {})
    return Seen(
        rows=statistics["dataset"]["item_count"],
        lines=statistics["unreadable"]["lines"],
        unreadable=statistics["unreadable"]["kinds"],
        violations=tuple(
            Violation(one.get("feature_name", one.get("metric_name")), one["constraint_check_type"], one["description"])
            for one in violations
        ),
        labelled=quality.get("dataset", {}).get("labelled_count", 0),
        quality={name: found["value"] for name, found in metrics.items() if "value" in found} or None,
    )


def _write_verdict(path: Path, view: MonitorView, state: str) -> None:
    """The verdict as metrics, in the form of the program's own."""
    at = f"{datetime.fromtimestamp(view.at, UTC):%Y-%m-%dT%H:%M:%SZ}"
    dimensions = [{"Name": "Environment", "Value": view.environment}, {"Name": "ModelVersion", "Value": view.version}]
    values = {"drift": state == "drift", "hold": state == "hold", "alarm": bool(view.alarm)}
    lines = [
        json.dumps({"MetricName": name, "Timestamp": at, "Dimensions": dimensions, "Value": int(value)})
        for name, value in values.items()
    ]
    with suppress(FileNotFoundError):  # the look's folder was removed meanwhile
        path.write_text("".join(f"{line}\n" for line in lines))


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    return found
