"""Looks at trials: what the tasks have counted so far, and the verdict on each version."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from shipway.core.description.app import Guard, Quality
from shipway.core.experiments.experiment import Trial
from shipway.core.experiments.report import ShadowReport, VariantReport, judge_variant, report_shadow, report_variant
from shipway.core.experiments.totals import Ledger
from shipway.core.ports import Assignments
from shipway.core.verdicts.model_quality import judge_disagreement
from shipway.core.verdicts.verdict import Verdict

# Each minute is judged by itself as well, for days: so rarely may chance alone make one look bad.
_WINDOW_RISK = 1_000


@dataclass(frozen=True, slots=True)
class TrialReport:
    """A trial and how its versions do, stable first; `tasks` have told their figures."""

    trial: Trial
    variants: tuple[VariantReport, ...] = ()
    shadow: ShadowReport | None = None
    tasks: int = 0


class Comparing:
    """Keeps the figures of every environment's trial, in memory. Safe to use from several threads."""

    def __init__(self, assignments: Assignments, clock: Callable[[], float]) -> None:
        self._assignments = assignments
        self._clock = clock
        self._lock = threading.Lock()
        self._ledgers: dict[str, Ledger] = {}
        self._reports: dict[str, TrialReport] = {}

    def look(self, trial: Trial, guard: Guard, quality: Quality) -> TrialReport:
        """Ask the tasks now, and judge by these bounds."""
        name = trial.environment
        with self._lock:
            now = self._clock()
            ledger = self._ledgers.get(name)
            if ledger is None or not ledger.is_of(trial):
                ledger = self._ledgers[name] = Ledger(trial, now)
            ledger.take(self._assignments.figures(name), now)
            report = self._reports[name] = _report(trial, ledger, guard, quality)
            return report

    def last(self, trial: Trial) -> TrialReport:
        """The newest look at it; without figures where there was none yet."""
        report = self._reports.get(trial.environment)
        return report if report is not None and report.trial == trial else TrialReport(trial)


def _report(trial: Trial, ledger: Ledger, guard: Guard, quality: Quality) -> TrialReport:
    whole, recent = ledger.whole, ledger.recent
    stable = whole.of(trial.version)
    variants = [report_variant(trial.version, trial.shares[trial.version], stable, stable, None)]
    for version, percent in trial.split:
        verdict = judge_variant(guard, quality, whole.of(version), stable)
        lately = judge_variant(stricter(guard), quality, recent.of(version), recent.of(trial.version))
        if verdict.kind != "rollback" and lately.kind == "rollback":
            verdict = Verdict("rollback", f"lately {lately.reason}")
        variants.append(report_variant(version, percent, whole.of(version), stable, verdict))
    shadow = None
    if trial.shadow is not None:
        counted = whole.shadow
        verdict = judge_disagreement(quality, guard.confidence, counted.compared, counted.disagreements)
        shadow = report_shadow(trial.shadow, counted, verdict)
    return TrialReport(trial, tuple(variants), shadow, ledger.tasks)


def stricter(guard: Guard) -> Guard:
    """The same bounds, for verdicts that are asked for each minute anew."""
    return guard.model_copy(update={"confidence": 1 - (1 - guard.confidence) / _WINDOW_RISK})
