"""Records as a year of a learning app leaves them, written into a daemon's state: what its commands then have to read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter

from shipway.core.events import AuditEntry
from shipway.core.monitoring.watch import Seen, Verdict, Violation
from shipway.core.releases.release import Release
from shipway.core.releases.run import Run
from shipway.core.rollouts.records import RolloutRecord
from shipway.core.training.champion import Decision
from shipway.core.training.evidence import Bounds, Evidence
from shipway.core.training.steps import StepDone
from shipway.core.training.training_run import TrainingRun
from shipway.core.training.windows import Window
from shipway.core.views.learning import MonitorView
from shipway.local.state.store import Store

AUDIT_ENTRIES, ROLLOUTS, TRAININGS, VERSIONS = 5000, 200, 50, 20
DAY = 86400.0
_COLUMNS = ("prediction", "airport_delay", "temp", "humid", "wind_speed", "visib")


def fill(state: Path, environment: str) -> tuple[str, float]:
    """Write them below `state`, the daemon's folder, whose one release they vary.

    Answers the id of a training, and a moment at which a version served.
    """
    store = Store(state / "state.db")
    try:
        with store.transaction():
            now = _rollouts(store, environment)
            _audit(store, environment, now)
            training = _trainings(store, now)
    finally:
        store.close()
    _look(state / "monitor", environment, now)
    return training, now - 2 * DAY


def _rollouts(store: Store, environment: str) -> float:
    """Promotions of versions that take turns, before the rollout that the app has; answers when that began."""
    (release,), (rollout,) = store.all(Release), store.all(RolloutRecord)
    for number in range(VERSIONS):
        store.put(
            f"of-{number}", replace(release, id=f"of-{number}", model_version=f"v1.{number}", model_digest="0" * 64)
        )
    for number in range(ROLLOUTS):
        began = rollout.started - (ROLLOUTS - number) * DAY
        id, served, before = f"{environment}-of-{number}", f"of-{number % VERSIONS}", f"of-{(number - 1) % VERSIONS}"
        store.put(id, replace(rollout, id=id, release=served, previous=before, started=began, ended=began + 60))
    return rollout.started


def _audit(store: Store, environment: str, now: float) -> None:
    actions = ("put a secret", "approve model", "deploy", "promote", "split traffic")
    for number in range(AUDIT_ENTRIES):
        action = actions[number % len(actions)]
        detail = {"version": f"v1.{number % VERSIONS}", "digest": "0" * 64, "serves": [environment]}
        if action == "split traffic":
            detail |= {"split": {"v1.0": 90.0, "v1.1": 10.0}}
        at = now - (AUDIT_ENTRIES - number) * ROLLOUTS * DAY / AUDIT_ENTRIES
        store.add_audit(AuditEntry(at, "somebody", action, environment, "because it was asked for", detail))


def _trainings(store: Store, now: float) -> str:
    steps = tuple(
        StepDone(name, "0" * 64, 12.5, False, {f"{name}/{n}.json": "0" * 64 for n in range(5)}, {"code": "0" * 64})
        for name in ("prepare", "train", "evaluate", "bias", "package")
    )
    found = Evidence(
        labels=28_000, positives=9_000, days=31, champion=True, brier_difference=Bounds(-0.002, -0.0032, -0.0009),
        calibration_error=0.03, champion_calibration_error=0.031, latency_ratio=1.1,
        bias={f"{metric} of carrier=MQ,EV": 0.1 for metric in ("DPPL", "DI", "AD", "RD", "KL", "JS", "LP", "TVD")},
    )  # fmt: skip
    decision = Decision("promote", ("Brier score -0.0020 [-0.0032, -0.0009]: surely better than the champion",))
    for number in range(TRAININGS):
        id = str(10_000 + number)
        run = Run(id, "train", "0" * 40, "train on all months", None, (), "somebody", now - DAY, "succeeded", "done")
        store.put(id, run)
        window = Window("2013-01", "2013-07")
        store.put(id, TrainingRun(id, window=window, champion="v1.0", steps=steps, found=found, decision=decision))
    return id


def _look(folder: Path, environment: str, now: float) -> None:
    violations = tuple(
        Violation(column, check, f"{column}: the distance to the baseline is 0.31, allowed 0.10")
        for column in _COLUMNS
        for check in ("baseline_drift_check", "completeness_check")
    )
    seen = Seen(
        28_000, 28_000, {"torn": 2}, violations, 27_000, {"brier": 0.17, "auc": 0.76, "calibration_error": None}
    )
    verdict = Verdict("drift", "prediction, airport_delay drifted", violations[:4], violations[4:])
    view = MonitorView(environment, "v1.0", now - DAY, now, now, seen, verdict, str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{environment}.json").write_bytes(TypeAdapter(MonitorView).dump_json(view))
