"""Watches promoted models by their labels: the version before is the shadow, and comes back if the new one is worse.

Level-triggered: what serves and the records say what is to be done, so a daemon that was killed goes on where it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from shipway.core.description.app import App
from shipway.core.description.training import Probation, Training
from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.core.events import PLATFORM, AuditEntry, Event
from shipway.core.releases.release import Release
from shipway.core.releases.run import Run
from shipway.core.rollouts.records import EnvironmentRecord, RolloutRecord
from shipway.core.rollouts.served import newest_model
from shipway.core.training.champion import ProbationVerdict, on_probation
from shipway.core.training.evidence import evidence
from shipway.core.training.probation import OnProbation, at_timeout, is_trained
from shipway.pipeline.experiments import Experiments
from shipway.pipeline.parts import Parts
from shipway.pipeline.probation_records import end_probation, live_probation
from shipway.pipeline.promotions import record_way_back

_log = logging.getLogger(__name__)


class Probations:
    """The probations of every environment that `model.training.probation` names."""

    def __init__(self, parts: Parts, experiments: Experiments, start: Callable[[str], None]) -> None:
        """`start` carries a run out that is recorded."""
        self._parts = parts
        self._store = parts.store
        self._experiments = experiments
        self._start = start
        # The release in each environment that began none: what was decided once is not asked every second.
        self._passed: dict[str, str] = {}

    def tend(self) -> None:
        """Begin what a promotion asks for, look at labels whose time has come, and do what they say.

        Raises the last ShipwayError or OSError once every environment was looked at.
        """
        failed: ShipwayError | OSError | None = None
        for environment in self._app.environments:
            try:
                self._tend(environment)
            except (ShipwayError, OSError) as error:
                failed = error
        if failed is not None:
            raise failed

    def _tend(self, environment: str) -> None:
        record = self._parts.rollouts.record_of(environment)
        if record.rollout is not None or record.stable is None:
            # Who comes is not known yet. A rollout is judged by its own rules meanwhile.
            return
        trial, serves = live_probation(self._store, environment), self._serves(record)
        if trial is not None and serves != trial.version:
            self._moved_on(trial, serves)
            trial = None
        if trial is None:
            trial = self._begun(environment, record)
        if trial is not None:
            self._go_on(trial)

    # -- how one begins and ends -----------------------------------------------------------------------------------

    def _begun(self, environment: str, record: EnvironmentRecord) -> OnProbation | None:
        assert record.stable is not None
        settings = self._settings()
        if settings is None or environment not in settings.probation.environments:
            self._passed.pop(environment, None)
            return None
        if self._passed.get(environment) == record.stable:
            return None
        trial = self._asked_for(environment, settings.probation)
        if trial is None:
            self._passed[environment] = record.stable
            return None
        try:
            self._experiments.check_shadow(environment, trial.before)
        except Refused as refusal:
            end_probation(self._store, trial, "over", refusal.what, self._parts.clock())
            return None
        with self._store.transaction():
            self._store.put(trial.id, trial)
            self._tell(trial, f"{trial.version} is on probation: {trial.before} answers the same requests unheard")
            detail = {"version": trial.version, "before": trial.before, "until": trial.until}
            self._audit(trial, "begin a probation", "", detail)
        return trial

    def _asked_for(self, environment: str, settings: Probation) -> OnProbation | None:
        """The probation of the version that serves, if a training made it and it is new there."""
        found = self._newest_model(environment)
        if found is None:
            return None
        rollout, version, before = found
        run = self._store.get(Run, rollout.run or "")
        # On the way back: whoever was champion before has nothing to prove, and models must not swing to and fro.
        is_way_back = rollout.back or (run is not None and run.back)
        if is_way_back or self._store.get(OnProbation, rollout.id) is not None:
            return None
        try:
            if not is_trained(self._parts.models.metadata(version)):
                return None
        except (UsageError, Refused) as error:
            _log.warning("%s in %s is on no probation: %s", version, environment, error.what)
            return None
        now = self._parts.clock()
        return OnProbation(rollout.id, environment, version, before, now, now + settings.hold_timeout)

    def _moved_on(self, trial: OnProbation, serves: str | None) -> None:
        found = self._newest_model(trial.environment)
        if trial.run is not None and found is not None and found[0].run == trial.run:
            assert trial.verdict is not None
            end_probation(self._store, trial, "taken back", trial.verdict.reason, self._parts.clock())
        else:
            what = f"{trial.environment} serves {serves or 'no model from the bucket'} now"
            end_probation(self._store, trial, "over", what, self._parts.clock())

    # -- while it goes on ------------------------------------------------------------------------------------------

    def _go_on(self, trial: OnProbation) -> None:
        settings = self._settings()
        if settings is None or trial.environment not in settings.probation.environments:
            end_probation(
                self._store, trial, "over", "shipway.yaml does not ask for it any more", self._parts.clock()
            )  # fmt: skip
            self._experiments.leave(trial.environment, trial.before)
            return
        run = self._store.get(Run, trial.run) if trial.run is not None else None
        if run is not None and run.live:
            return
        why_not = self._experiments.accompany(trial.environment, trial.version, trial.before)
        if why_not and why_not != trial.trouble:
            trial = self._changed(trial, trouble=why_not)
        if not self._is_due(trial, settings.probation):
            return
        failed = "" if run is None else f"{trial.before} could not be brought back: {run.reason}"
        trial = self._looked(trial, settings, failed)
        verdict = trial.verdict
        if trial.ended is not None:
            return
        if (verdict is None or verdict.kind == "wait") and self._parts.clock() >= trial.until:
            verdict = at_timeout(settings.probation, verdict)
            trial = self._changed(trial, verdict=verdict)
        if verdict is not None and verdict.kind == "keep":
            end_probation(self._store, trial, "kept", verdict.reason, self._parts.clock())
            self._experiments.leave(trial.environment, trial.before)
        elif verdict is not None and verdict.kind == "back":
            self._bring_back(trial, verdict)

    def _is_due(self, trial: OnProbation, settings: Probation) -> bool:
        now, last = self._parts.clock(), trial.since if trial.looked is None else trial.looked
        # A clock that was set back is no reason to wait.
        return not 0 <= now - last < settings.every or last < trial.until <= now

    def _looked(self, trial: OnProbation, settings: Training, trouble: str) -> OnProbation:
        """The trial after a look at the labels. One that fails is told, and tried again in its time."""
        now = self._parts.clock()
        release = self._store.get(Release, self._parts.rollouts.record_of(trial.environment).stable or "")
        model = self._app.model
        assert release is not None
        assert model is not None
        sources = model.monitor.label_sources
        try:
            found = evidence(
                self._parts.monitoring.compare(
                    trial.environment, release, trial.before, (trial.since, now), sources, _log.info
                ),
                {},
                {},
            )
        except (ShipwayError, ValueError) as error:
            said = error.what if isinstance(error, ShipwayError) else str(error)
            _log.warning("%s on probation in %s: %s", trial.version, trial.environment, said)
            return self._changed(trial, looked=now, trouble=said)
        verdict = on_probation(settings.gate, settings.probation, found)
        return self._changed(trial, looked=now, found=found, verdict=verdict, trouble=trouble)

    def _bring_back(self, trial: OnProbation, verdict: ProbationVerdict) -> None:
        """Start a run that promotes the version before, unless something else has begun there meanwhile."""
        record = self._parts.rollouts.record_of(trial.environment)
        if record.rollout is not None or self._serves(record) != trial.version:
            return
        try:
            with self._store.transaction():
                why = f"on probation: {verdict.reason}"
                run = record_way_back(self._parts, trial.environment, trial.version, trial.before, why)
                self._store.put(trial.id, replace(trial, run=run.id))
                self._tell(trial, f"{trial.version} is taken back by run {run.id}: {verdict.reason}")
                detail = {"version": trial.version, "before": trial.before, "run": run.id}
                self._audit(trial, "take a model back", verdict.reason, detail)
        except Refused as refusal:
            self._changed(trial, trouble=f"{trial.before} cannot come back: {refusal.what}; {refusal.fix}")
            return
        self._start(run.id)

    # -- what those need -------------------------------------------------------------------------------------------

    def _changed(self, trial: OnProbation, **fields: Any) -> OnProbation:
        """The record with these fields, unless a person has ended it meanwhile."""

        def change(current: OnProbation) -> OnProbation:
            return current if current.ended is not None else replace(current, **fields)

        return self._store.change(OnProbation, trial.id, change)

    def _newest_model(self, environment: str) -> tuple[RolloutRecord, str, str] | None:
        releases = {release.id: release for release in self._store.all(Release)}
        return newest_model(environment, self._store.all(RolloutRecord), releases)

    def _serves(self, record: EnvironmentRecord) -> str | None:
        release = self._store.get(Release, record.stable or "")
        return release.model_version if release is not None else None

    def _settings(self) -> Training | None:
        model = self._app.model
        return model.training if model is not None else None

    @property
    def _app(self) -> App:
        return self._parts.operator_app()

    def _tell(self, trial: OnProbation, text: str) -> None:
        self._store.add_event(Event("note", text, self._parts.clock(), trial.run, trial.environment))

    def _audit(self, trial: OnProbation, action: str, why: str, detail: dict[str, Any]) -> None:
        self._store.add_audit(AuditEntry(self._parts.clock(), PLATFORM, action, trial.environment, why, detail))
