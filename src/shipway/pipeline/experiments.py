"""Model versions tried out beside a release's own: who begins and ends it, and when the platform ends it itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from shipway.core.access.roles import check_known, check_role
from shipway.core.contract.wanted import Shadow
from shipway.core.description.app import App
from shipway.core.desk import ExperimentDesk
from shipway.core.errors import Refused, ShipwayError
from shipway.core.events import PLATFORM, AuditEntry, Event, EventKind
from shipway.core.experiments.experiment import Experiment, Stopped, check_percent, check_versions, read_shares
from shipway.core.experiments.report import ExperimentReport
from shipway.core.models.approval import check_promotable
from shipway.core.ports.target import Target
from shipway.core.releases.release import Release
from shipway.core.rollouts.records import EnvironmentRecord, Lock
from shipway.pipeline.environment_lock import EnvironmentLocks
from shipway.pipeline.experiment_reports import ExperimentReports
from shipway.pipeline.following import Following
from shipway.pipeline.model_fit import schema_differences
from shipway.pipeline.parts import Parts
from shipway.pipeline.probation_records import end_probation, live_probation

_REMEMBERED = 9


class Experiments(ExperimentDesk):
    """Splits and shadows of every environment."""

    def __init__(
        self,
        parts: Parts,
        target: Target,
        stopping: threading.Event,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parts = parts
        self._store = parts.store
        self._target = target
        self._following = Following(target, stopping.wait, steady)
        self._locks = EnvironmentLocks(parts.store, parts.clock, parts.rollouts.bell)
        self._comparing = ExperimentReports(target, parts.clock)
        self._refusals: dict[str, frozenset[tuple[str, str]]] = {}

    # -- what a person asks --------------------------------------------------------------------------------------

    def split(self, environment: str, shares: Sequence[str], who: str, why: str) -> ExperimentReport:
        """Let versions answer their shares (`v1.2=10%`) of the cohorts; what is not named answers nobody any more.

        Returns once every task does so. Raises Refused where a version or the environment does not allow it.
        """
        split = read_shares(shares)
        named = [version for version, _ in split]

        def change(experiment: Experiment) -> Experiment:
            stopped = tuple(stopped for stopped in experiment.stopped if stopped.version not in named)
            return replace(experiment, split=split, stopped=stopped)

        return self._begin(environment, named, change, "split the model", who, why)

    def shadow(self, environment: str, version: str, percent: float, who: str, why: str) -> ExperimentReport:
        """Let a version see a share of the requests without answering any. Returns and raises as `split` does."""
        check_percent(percent)
        if (trial := live_probation(self._store, environment)) is not None:
            raise Refused(
                f"the shadow of {environment} is {trial.before} until the probation of {trial.version} has ended",
                fix=f"wait for it, or end it: shipway model shadow --off --env {environment}",
                state="nothing changed",
            )
        shadow = Shadow(version, percent)
        action = "shadow the model"
        return self._begin(
            environment, [version], lambda experiment: replace(experiment, shadow=shadow), action, who, why
        )

    def end_split(self, environment: str, who: str, why: str) -> ExperimentReport:
        """Let stable answer everyone, also while a rollout is under way."""
        return self._end(
            environment, lambda experiment: replace(experiment, split=(), stopped=()), "end the split", who, why
        )

    def end_shadow(self, environment: str, who: str, why: str) -> ExperimentReport:
        """Let no version listen in any more, also while a rollout is under way. That ends a probation as well."""
        check_known(self._app, environment)
        check_role(self._app, environment, who, "end the shadow in")
        if (trial := live_probation(self._store, environment)) is not None:
            # First: a probation that goes on would begin its shadow anew.
            end_probation(
                self._store, trial, "over", f"{who} ended it" + (f": {why}" if why else ""), self._parts.clock()
            )
        return self._end(environment, lambda experiment: replace(experiment, shadow=None), "end the shadow", who, why)

    def show(self, environment: str) -> ExperimentReport:
        """How the versions do, asked of the tasks now. Raises UsageError for an unknown environment."""
        check_known(self._app, environment)
        return self._look(self._current(environment))

    def last_report(self, environment: str) -> ExperimentReport | None:
        """How the versions did a few seconds ago; None where nothing is tried out."""
        experiment = self._store.get(Experiment, environment)
        if experiment is None:
            return None
        return self._comparing.last(experiment)

    # -- what the platform does by itself ------------------------------------------------------------------------

    def check_shadow(self, environment: str, version: str) -> None:
        """Raise Refused unless the version could listen beside what serves there."""
        self._check_candidate(self._serving(environment), version, answers=False)

    def accompany(self, environment: str, version: str, before: str) -> str:
        """Let `before` be the shadow of `version`, of every request; or why it cannot be now. Tasks follow by themselves."""
        with self._store.transaction():
            current = self._current(environment)
            if current.version != version or current.shadow == Shadow(before):
                return ""
            if current.shadow is not None:
                return f"{current.shadow.version} is the shadow, which {current.by} began"
            if before in current.shares:
                return f"{before} answers a share of the requests, and a shadow answers none"
            why = f"{version} is on probation"
            beside = replace(current, shadow=Shadow(before), since=self._parts.clock())
            if not current.live:
                beside = replace(beside, by=PLATFORM, why=why)
            self._record_change(beside, "shadow the model", PLATFORM, why)
        self._target.assign(environment)
        return ""

    def leave(self, environment: str, before: str) -> None:
        """Let the shadow that `accompany` began listen no more."""
        with self._store.transaction():
            current = self._store.get(Experiment, environment)
            if current is None or current.shadow != Shadow(before):
                return
            alone = replace(current, shadow=None, since=self._parts.clock())
            self._record_change(alone, "end the shadow", PLATFORM, "the probation has ended")
        self._target.assign(environment)

    def tend(self) -> None:
        """Look at every experiment: take bad candidates out, and end what the environment has moved on from.

        Raises the last ShipwayError or OSError once every experiment was looked at.
        """
        failed: ShipwayError | OSError | None = None
        for experiment in self._store.all(Experiment):
            try:
                if experiment.environment in self._app.environments:
                    self._tend(experiment)
            except (ShipwayError, OSError) as error:
                failed = error
        if failed is not None:
            raise failed

    def _tend(self, experiment: Experiment) -> None:
        if self._is_over(experiment):
            self._forget(experiment)
            return
        # Where a crash fell between the record and the tasks.
        self._target.assign(experiment.environment)
        for version in self._look(experiment).versions:
            if version.verdict is not None and version.verdict.kind == "rollback":
                self._take_out(experiment, version.version, version.verdict.reason)
        self._tell_of_refusals(experiment)

    def _tell_of_refusals(self, experiment: Experiment) -> None:
        """Tell, once for each reason, which tasks serve without what is tried out, as one does after a restart."""
        if self._parts.clock() - experiment.since <= self._target.pace.follow:
            # whoever has just changed it waits for the tasks, and is told
            return
        name = experiment.environment
        found = frozenset((task.task, task.says) for task in self._target.lagging(name) if task.refuses)
        for task, says in sorted(found - self._refusals.get(name, frozenset())):
            self._tell("fail", f"{task} does not follow {_told(experiment)}: it {says}", name)
        self._refusals[name] = found

    def _take_out(self, experiment: Experiment, version: str, reason: str) -> None:
        """The candidate answers nobody from now on. Tasks follow within a moment; nobody waits for them."""
        now, name = self._parts.clock(), experiment.environment
        with self._store.transaction():
            current = self._store.get(Experiment, name)
            if current is None or current.since != experiment.since or version not in dict(current.split):
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
        self._target.assign(name)

    def _is_over(self, experiment: Experiment) -> bool:
        """Whether the environment serves another model by itself, such as the candidate after its promotion."""
        record = self._record(experiment.environment)
        release = self._release(record)
        return record.rollout is None and (release is None or release.model_version != experiment.version)

    def _forget(self, experiment: Experiment) -> None:
        release = self._release(self._record(experiment.environment))
        serves = release.model_version if release is not None else None
        with self._store.transaction():
            if self._store.get(Experiment, experiment.environment) != experiment:
                return
            self._store.delete(Experiment, experiment.environment)
            if experiment.live:
                self._tell("note", f"serves model {serves} now: the experiment has ended", experiment.environment)
                self._audit(experiment, PLATFORM, "end the experiment", f"it serves {serves} now")

    # -- changing an experiment ----------------------------------------------------------------------------------------

    def _begin(
        self,
        environment: str,
        versions: Sequence[str],
        change: Callable[[Experiment], Experiment],
        action: str,
        who: str,
        why: str,
    ) -> ExperimentReport:
        check_known(self._app, environment)
        check_role(self._app, environment, who, f"{action} in")
        with self._alone_in(environment, who):
            release = self._serving(environment)
            before = self._current(environment)
            experiment = replace(change(before), by=who, why=why, since=self._parts.clock())
            check_versions(experiment)
            for version in versions:
                self._check_candidate(release, version, answers=version in experiment.shares)
            self._record_change(experiment, action, who, why)
            try:
                self._until_followed(environment, "tasks go back to what they did before")
            except ShipwayError:
                self._take_back(experiment, before, action)
                raise
        return self._look(experiment)

    def _end(
        self, environment: str, change: Callable[[Experiment], Experiment], action: str, who: str, why: str
    ) -> ExperimentReport:
        check_known(self._app, environment)
        check_role(self._app, environment, who, f"{action} in")
        with self._store.transaction():
            before = self._current(environment)
            experiment = change(before)
            if experiment == before:
                return ExperimentReport(before)
            experiment = replace(experiment, by=who, why=why, since=self._parts.clock())
            self._record_change(experiment, action, who, why)
        self._until_followed(environment, "it is recorded; every task follows as soon as it can")
        return self._look(experiment)

    def _record_change(self, experiment: Experiment, action: str, who: str, why: str) -> None:
        name = experiment.environment
        with self._store.transaction():
            if experiment.live or experiment.stopped:
                self._store.put(name, experiment)
            else:
                self._store.delete(Experiment, name)
            self._tell("note", f"{action}: {_told(experiment)}", name)
            self._audit(experiment, who, action, why)

    def _take_back(self, experiment: Experiment, before: Experiment, action: str) -> None:
        """The experiment did not come about. What someone has changed since then stays."""
        with self._store.transaction():
            if self._store.get(Experiment, experiment.environment) != experiment:
                return
            self._record_change(before, f"{action}: taken back", PLATFORM, "not every task followed")
        self._target.assign(experiment.environment)

    def _until_followed(self, environment: str, otherwise: str) -> None:
        """Wait until every task answers as recorded. Raises ShipwayError, with what is so otherwise, as `Following`."""
        self._target.assign(environment)
        self._following.until_follows(environment, None, f"not every task of {environment} follows", state=otherwise)

    @contextmanager
    def _alone_in(self, environment: str, who: str) -> Iterator[None]:
        """Nothing else changes the environment meanwhile. Raises Refused while a rollout is under way."""
        owner = f"experiment {self._store.next_number('experiment')} of {who}"
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

    def _check_candidate(self, release: Release, version: str, *, answers: bool) -> None:
        model = self._parts.models.verified(version)
        check_promotable(model)
        if reasons := schema_differences(self._parts.models, release, model, answers=answers):
            raise Refused(
                f"model {version} can't share requests with {release.model_version}: {'; '.join(reasons)}",
                fix=f"shipway model promote {version} --next-release, then deploy the services that know its features",
                state="nothing changed",
            )

    @property
    def _app(self) -> App:
        return self._parts.operator_app()

    def _look(self, experiment: Experiment) -> ExperimentReport:
        """By the bounds that hold in the environment now."""
        if not experiment.live:
            return ExperimentReport(experiment)
        serving, record = self._serving(experiment.environment), self._record(experiment.environment)
        app = (self._store.get(Release, record.described_by or "") or serving).app
        assert app.model is not None
        return self._comparing.look(
            experiment, app.environments[experiment.environment].rollout.guard, app.model.quality
        )

    def _current(self, environment: str) -> Experiment:
        """The experiment under way, or an empty one beside the version that serves."""
        version = self._serving(environment).model_version
        assert version is not None
        experiment = self._store.get(Experiment, environment)
        return (
            experiment if experiment is not None and experiment.version == version else Experiment(environment, version)
        )

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

    def _audit(self, experiment: Experiment, who: str, action: str, why: str) -> None:
        detail = {"stable": experiment.version, "split": dict(experiment.split), "shadow": _shadow(experiment)}
        self._store.add_audit(AuditEntry(self._parts.clock(), who, action, experiment.environment, why, detail))

    def _tell(self, kind: EventKind, text: str, environment: str) -> None:
        self._store.add_event(Event(kind, text, self._parts.clock(), None, environment))


def _shadow(experiment: Experiment) -> str:
    return f"{experiment.shadow.version} {experiment.shadow.percent:g} %" if experiment.shadow else ""


def _told(experiment: Experiment) -> str:
    """`v1.1 90 %, v1.2 10 %, shadow v1.3 100 %`."""
    parts = [f"{version} {percent:g} %" for version, percent in experiment.shares.items()]
    return ", ".join([*parts, f"shadow {_shadow(experiment)}"] if experiment.shadow else parts)
