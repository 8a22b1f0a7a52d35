"""Looks at experiments: what the tasks have counted so far, and the verdict on each version."""

from __future__ import annotations

import threading
from collections.abc import Callable

from shipway.core.description.app import Guard, Quality
from shipway.core.experiments.experiment import Experiment
from shipway.core.experiments.report import ExperimentReport, judge_version, report_shadow, report_version
from shipway.core.experiments.totals import Totals
from shipway.core.ports.target import Target
from shipway.core.verdicts.model_quality import judge_disagreement
from shipway.core.verdicts.verdict import Verdict

# Each minute is judged by itself as well, for days: so rarely may chance alone make one look bad.
_WINDOW_RISK = 1_000


class ExperimentReports:
    """Keeps the figures of every environment's experiment, in memory. Safe to use from several threads."""

    def __init__(self, target: Target, clock: Callable[[], float]) -> None:
        self._target = target
        self._clock = clock
        self._lock = threading.Lock()
        self._totals: dict[str, Totals] = {}
        self._reports: dict[str, ExperimentReport] = {}

    def look(self, experiment: Experiment, guard: Guard, quality: Quality) -> ExperimentReport:
        """Ask the tasks now, and judge by these bounds."""
        name = experiment.environment
        with self._lock:
            now = self._clock()
            totals = self._totals.get(name)
            if totals is None or not totals.is_of(experiment):
                totals = self._totals[name] = Totals(experiment, now)
            totals.take(self._target.figures(name), now)
            report = self._reports[name] = _report(experiment, totals, guard, quality)
            return report

    def last(self, experiment: Experiment) -> ExperimentReport:
        """The newest look at it; without figures where there was none yet."""
        report = self._reports.get(experiment.environment)
        return report if report is not None and report.experiment == experiment else ExperimentReport(experiment)


def _report(experiment: Experiment, totals: Totals, guard: Guard, quality: Quality) -> ExperimentReport:
    whole, recent = totals.whole, totals.recent
    stable = whole.of(experiment.version)
    versions = [report_version(experiment.version, experiment.shares[experiment.version], stable, stable, None)]
    for version, percent in experiment.split:
        verdict = judge_version(guard, quality, whole.of(version), stable)
        lately = judge_version(stricter(guard), quality, recent.of(version), recent.of(experiment.version))
        if verdict.kind != "rollback" and lately.kind == "rollback":
            verdict = Verdict("rollback", f"lately {lately.reason}")
        versions.append(report_version(version, percent, whole.of(version), stable, verdict))
    shadow = None
    if experiment.shadow is not None:
        counted = whole.shadow
        verdict = judge_disagreement(quality, guard.confidence, counted.compared, counted.disagreements)
        shadow = report_shadow(experiment.shadow, counted, verdict)
    return ExperimentReport(experiment, tuple(versions), shadow, totals.tasks)


def stricter(guard: Guard) -> Guard:
    """The same bounds, for verdicts that are asked for each minute anew."""
    return guard.model_copy(update={"confidence": 1 - (1 - guard.confidence) / _WINDOW_RISK})
