"""Model versions tried out beside a release's own: who begins and ends it, and when the platform ends it itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from shipway.core.access.roles import check_known, check_role
from shipway.core.description.app import App
from shipway.core.errors import Refused, ShipwayError
from shipway.core.events import AuditEntry, Event, EventKind
from shipway.core.experiments.experiment import Shadow, Stopped, Trial, check_percent, check_versions, read_shares
from shipway.core.models.approval import check_promotable
from shipway.core.ports import Assignments
from shipway.core.releases.release import Release
from shipway.core.rollouts.records import EnvironmentRecord, Lock
from shipway.pipeline.environment_lock import EnvironmentLocks
from shipway.pipeline.experiment_reports import Comparing, TrialReport
from shipway.pipeline.model_fit import strangers
from shipway.pipeline.parts import Parts

PLATFORM = "shipway"
PATIENCE = 30.0
REFUSAL_PATIENCE = 5.0
WATCH_EVERY = 2.0
_PAUSE = 0.05
_REMEMBERED = 9


class Trials:
    """Splits and shadows of every environment."""

    def __init__(self, parts: Parts, assignments: Assignments, stopping: threading.Event) -> None:
        self._parts = parts
        self._store = parts.store
        self._assignments = assignments
        self._stopping = stopping
        self._locks = EnvironmentLocks(parts.store, parts.clock, parts.rollouts.bell)
        self._comparing = Comparing(assignments, parts.clock)
        self._refusals: dict[str, frozenset[tuple[str, str]]] = {}

    # -- what a person asks --------------------------------------------------------------------------------------

    def split(self, environment: str, shares: Sequence[str], who: str, why: str) -> TrialReport:
        """Let versions answer their shares (`v1.2=10%`) of the cohorts; what is not named answers nobody any more.

        Returns once every task does so. Raises Refused where a version or the environment does not allow it.
        """
        split = read_shares(shares)
        named = [version for version, _ in split]

        def change(trial: Trial) -> Trial:
            stopped = tuple(stopped for stopped in trial.stopped if stopped.version not in named)
            return replace(trial, split=split, stopped=stopped)

        return self._begin(environment, named, change, "split the model", who, why)

    def shadow(self, environment: str, version: str, percent: float, who: str, why: str) -> TrialReport:
        """Let a version see a share of the requests without answering any. Returns and raises as `split` does."""
        check_percent(percent)
        shadow = Shadow(version, percent)
        action = "shadow the model"
        return self._begin(environment, [version], lambda trial: replace(trial, shadow=shadow), action, who, why)

    def end_split(self, environment: str, who: str, why: str) -> TrialReport:
        """Let stable answer everyone, also while a rollout is under way."""
        return self._end(environment, lambda trial: replace(trial, split=(), stopped=()), "end the split", who, why)

    def end_shadow(self, environment: str, who: str, why: str) -> TrialReport:
        """Let no version listen in any more, also while a rollout is under way."""
        return self._end(environment, lambda trial: replace(trial, shadow=None), "end the shadow", who, why)

    def show(self, environment: str) -> TrialReport:
        """How the versions do, asked of the tasks now. Raises UsageError for an unknown environment."""
        check_known(self._app, environment)
        return self._look(self._current(environment))

    def last_report(self, environment: str) -> TrialReport | None:
        """How the versions did a few seconds ago; None where nothing is tried out."""
        trial = self._store.get(Trial, environment)
        if trial is None:
            return None
        return self._comparing.last(trial)

    # -- what the platform does by itself ------------------------------------------------------------------------

    def tend(self) -> None:
        """Look at every trial: take bad candidates out, and end what the environment has moved on from.

        Raises the last ShipwayError or OSError once every trial was looked at.
        """
        failed: ShipwayError | OSError | None = None
        for trial in self._store.all(Trial):
            try:
                if trial.environment in self._app.environments:
                    self._tend(trial)
            except (ShipwayError, OSError) as error:
                failed = error
        if failed is not None:
            raise failed

    def _tend(self, trial: Trial) -> None:
        if self._is_over(trial):
            self._forget(trial)
            return
        # Where a crash fell between the record and the tasks.
        self._assignments.assign(trial.environment)
        for variant in self._look(trial).variants:
            if variant.verdict is not None and variant.verdict.kind == "rollback":
                self._take_out(trial, variant.version, variant.verdict.reason)
        self._tell_of_refusals(trial)

    def _tell_of_refusals(self, trial: Trial) -> None:
        """Tell, once for each reason, which tasks serve without what is tried out, as one does after a restart."""
        if self._parts.clock() - trial.since <= PATIENCE:
            # whoever has just changed it waits for the tasks, and is told
            return
        name = trial.environment
        found = frozenset((task.task, task.says) for task in self._assignments.astray(name) if task.refuses)
        for task, says in sorted(found - self._refusals.get(name, frozenset())):
            self._tell("fail", f"{task} does not follow {_told(trial)}: it {says}", name)
        self._refusals[name] = found

    def _take_out(self, trial: Trial, version: str, reason: str) -> None:
        """The candidate answers nobody from now on. Tasks follow within a moment; nobody waits for them."""
        now, name = self._parts.clock(), trial.environment
        with self._store.transaction():
            current = self._store.get(Trial, name)
            if current is None or current.since != trial.since or version not in dict(current.split):
                # A person was quicker; what they asked for is looked at the next time.
                return
            percent = dict(current.split)[version]
            self._store.put(
                name,
                replace(
                    current,
                    split=tuple(share for share in current.split if share[0] != version),
                    stopped=(*current.stopped[1 - _REMEMBERED :], Stopped(version, percent, reason, now)),
                ),
            )
            self._tell("fail", f"took {version} ({percent:g} %) out of the split: {reason}", name)
            detail = {"version": version, "percent": percent, "reason": reason}
            self._store.add_audit(AuditEntry(now, PLATFORM, "take a model out", name, "", detail))
        self._assignments.assign(name)

    def _is_over(self, trial: Trial) -> bool:
        """Whether the environment serves another model by itself, such as the candidate after its promotion."""
        record = self._record(trial.environment)
        release = self._release(record)
        return record.rollout is None and (release is None or release.model_version != trial.version)

    def _forget(self, trial: Trial) -> None:
        release = self._release(self._record(trial.environment))
        serves = release.model_version if release is not None else None
        with self._store.transaction():
            if self._store.get(Trial, trial.environment) != trial:
                return
            self._store.delete(Trial, trial.environment)
            if trial.live:
                self._tell("note", f"serves model {serves} now: nothing is tried out any more", trial.environment)
                self._audit(trial, PLATFORM, "end the model trial", f"it serves {serves} now")

    # -- changing a trial ----------------------------------------------------------------------------------------

    def _begin(
        self,
        environment: str,
        versions: Sequence[str],
        change: Callable[[Trial], Trial],
        action: str,
        who: str,
        why: str,
    ) -> TrialReport:
        check_known(self._app, environment)
        check_role(self._app, environment, who, f"{action} in")
        with self._alone_in(environment, who):
            release = self._serving(environment)
            before = self._current(environment)
            trial = replace(change(before), by=who, why=why, since=self._parts.clock())
            check_versions(trial)
            for version in versions:
                self._check_candidate(release, version)
            self._record_change(trial, action, who, why)
            try:
                self._until_followed(environment, "tasks go back to what they did before")
            except ShipwayError:
                self._take_back(trial, before, action)
                raise
        return self._look(trial)

    def _end(self, environment: str, change: Callable[[Trial], Trial], action: str, who: str, why: str) -> TrialReport:
        check_known(self._app, environment)
        check_role(self._app, environment, who, f"{action} in")
        with self._store.transaction():
            before = self._current(environment)
            trial = change(before)
            if trial == before:
                return TrialReport(before)
            trial = replace(trial, by=who, why=why, since=self._parts.clock())
            self._record_change(trial, action, who, why)
        self._until_followed(environment, "it is recorded; every task follows as soon as it can")
        return self._look(trial)

    def _record_change(self, trial: Trial, action: str, who: str, why: str) -> None:
        name = trial.environment
        with self._store.transaction():
            if trial.live or trial.stopped:
                self._store.put(name, trial)
            else:
                self._store.delete(Trial, name)
            self._tell("note", f"{action}: {_told(trial)}", name)
            self._audit(trial, who, action, why)

    def _take_back(self, trial: Trial, before: Trial, action: str) -> None:
        """The trial did not come about. What someone has changed since then stays."""
        with self._store.transaction():
            if self._store.get(Trial, trial.environment) != trial:
                return
            self._record_change(before, f"{action}: taken back", PLATFORM, "not every task followed")
        self._assignments.assign(trial.environment)

    def _until_followed(self, environment: str, otherwise: str) -> None:
        """Wait until every task answers as recorded.

        Raises ShipwayError after half a minute; sooner where a task goes on refusing, as files that were verified are
        all there.
        """
        self._assignments.assign(environment)
        began = accepted = self._parts.clock()
        while astray := self._assignments.astray(environment):
            now = self._parts.clock()
            if not any(task.refuses for task in astray):
                accepted = now
            if now - began > PATIENCE or now - accepted > REFUSAL_PATIENCE:
                raise ShipwayError(
                    f"not every task of {environment} follows: "
                    + "; ".join(f"{task.task} {task.says}" for task in astray),
                    fix=f"shipway logs --env {environment} --errors",
                    state=otherwise,
                )
            self._stopping.wait(_PAUSE)

    @contextmanager
    def _alone_in(self, environment: str, who: str) -> Iterator[None]:
        """Nothing else changes the environment meanwhile. Raises Refused while a rollout is under way."""
        owner = f"model trial {self._store.next_number('trial')} of {who}"
        with self._locks.held_if_free(environment, owner) as held:
            if not held or self._record(environment).rollout is not None:
                lock = self._store.get(Lock, environment)
                busy = f"{lock.owner} is at work there" if lock and not held else "a rollout is under way"
                raise Refused(
                    f"{environment} is changing: {busy}",
                    fix="shipway status, and again once it has ended",
                    state="nothing changed",
                )
            yield

    def _check_candidate(self, release: Release, version: str) -> None:
        model = self._parts.models.verified(version)
        check_promotable(model)
        if reasons := strangers(self._parts.models, release, model):
            raise Refused(
                f"model {version} can't share requests with {release.model_version}: {'; '.join(reasons)}",
                fix=f"shipway model promote {version} --next-release, then deploy the services that know its features",
                state="nothing changed",
            )

    # -- the small print -----------------------------------------------------------------------------------------

    @property
    def _app(self) -> App:
        return self._parts.operator_app()

    def _look(self, trial: Trial) -> TrialReport:
        """By the bounds that hold in the environment now."""
        if not trial.live:
            return TrialReport(trial)
        serving, record = self._serving(trial.environment), self._record(trial.environment)
        app = (self._store.get(Release, record.described_by or "") or serving).app
        assert app.model is not None
        return self._comparing.look(trial, app.environments[trial.environment].rollout.guard, app.model.quality)

    def _current(self, environment: str) -> Trial:
        """The trial under way, or an empty one beside the version that serves."""
        version = self._serving(environment).model_version
        assert version is not None
        trial = self._store.get(Trial, environment)
        return trial if trial is not None and trial.version == version else Trial(environment, version)

    def _serving(self, environment: str) -> Release:
        """The release that serves. Raises Refused where no version could stand beside its model."""
        release = self._release(self._record(environment))
        if release is None:
            raise Refused(f"{environment} serves nothing yet", fix=f"shipway deploy --env {environment}")
        if release.model_version is None or not release.app.model_services():
            raise Refused(
                f"{environment} serves no model from the bucket: {', '.join(release.models) or 'none'} is baked in",
                fix="a service with `model: true` takes it from the bucket, where others can stand beside it",
                state="nothing changed",
            )
        return release

    def _record(self, environment: str) -> EnvironmentRecord:
        return self._parts.rollouts.record_of(environment)

    def _release(self, record: EnvironmentRecord) -> Release | None:
        return self._store.get(Release, record.stable) if record.stable else None

    def _audit(self, trial: Trial, who: str, action: str, why: str) -> None:
        detail = {"stable": trial.version, "split": dict(trial.split), "shadow": _shadow(trial)}
        self._store.add_audit(AuditEntry(self._parts.clock(), who, action, trial.environment, why, detail))

    def _tell(self, kind: EventKind, text: str, environment: str) -> None:
        self._store.add_event(Event(kind, text, self._parts.clock(), None, environment))


def _shadow(trial: Trial) -> str:
    return f"{trial.shadow.version} {trial.shadow.percent:g} %" if trial.shadow else ""


def _told(trial: Trial) -> str:
    """`v1.1 90 %, v1.2 10 %, shadow v1.3 100 %`."""
    parts = [f"{version} {percent:g} %" for version, percent in trial.shares.items()]
    return ", ".join([*parts, f"shadow {_shadow(trial)}"] if trial.shadow else parts)
