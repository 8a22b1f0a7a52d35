"""A baseline: what is normal, from rows that are held to be good."""

from __future__ import annotations

from typing import Any

from model_monitoring import constraints, statistics
from model_monitoring.files import write_json
from model_monitoring.job import Job
from model_monitoring.quality import held
from model_monitoring.quality.judged import Judged, kind_of
from model_monitoring.reading import Read, read
from model_monitoring.windows import Length, Own, own_windows


def make(work: Job) -> str:
    """Write statistics.json and constraints.json, baseline_windows.json (ours), and the same of model quality.

    Answers what is to be told. Raises Problem and OSError.
    """
    found = read(work)
    own = own_windows(found.days, found.summary, work.false_alarms, work.counting)
    suggested = constraints.suggested(found.summary, own)
    work.output.mkdir(parents=True, exist_ok=True)
    write_json(work.output / "statistics.json", statistics.document(found.summary) | unreadable(found))
    write_json(work.output / "baseline_windows.json", _windows(work, own))
    _quality(work, found)
    write_json(work.output / "constraints.json", suggested, indent=2)
    spans = ", ".join(f"{len(windows.windows)} {length}s" for length, windows in own.items())
    said = f"baseline of {found.summary.rows} rows and {len(found.summary.columns)} columns"
    if spans:
        return f"{said}; thresholds come from its own {spans}"
    return f"{said}; its times do not make windows, so the threshold is {suggested.general_threshold:g} for all"


def unreadable(found: Read) -> dict[str, Any]:
    """What of the captured lines could not be read (ours)."""
    return {"unreadable": {"lines": found.lines, "kinds": dict(found.unreadable)}}


def _windows(work: Job, own: dict[Length, Own]) -> dict[str, Any]:
    return {"false_alarm_rate": work.false_alarms, "lengths": own}


def _quality(work: Job, found: Read) -> None:
    if found.joined is None:
        return
    judged = Judged(found.joined, work.problem or kind_of(found.joined), work.threshold)
    write_json(work.output / "model_quality_statistics.json", judged.document(work.times))
    if len(judged):
        written = held.suggested(judged, work.false_alarms)
        write_json(work.output / "model_quality_constraints.json", written, indent=2)
