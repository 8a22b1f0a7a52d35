"""The desk over AWS: each verb asks CodePipeline, ECS or the releases' bucket, and reads back what came of it.

Nothing of Shipway runs in between: IAM says who may do what, and AWS's own records are the state.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from shipway.aws.audit_trail import AuditTrail
from shipway.aws.builds import Build, Builds
from shipway.aws.calls import Calls
from shipway.aws.logs import Logs
from shipway.aws.names import Names
from shipway.aws.pipelines import Pipelines, Question
from shipway.aws.release_store import ReleaseStore
from shipway.aws.run_records import rollback_of, run_id
from shipway.aws.runs import Found, Runs
from shipway.aws.secret_desk import AwsSecretDesk
from shipway.aws.services import Services
from shipway.aws.views import Views
from shipway.core.access.roles import check_known
from shipway.core.description import DESCRIPTION
from shipway.core.description.app import App
from shipway.core.desk import (
    AppDesk,
    Desk,
    ExperimentDesk,
    FeatureDesk,
    ModelDesk,
    MonitorDesk,
    ReportDesk,
    TrainingDesk,
)
from shipway.core.errors import Refused, ShipwayError
from shipway.core.events import AuditEntry, Event
from shipway.core.logs.asked import Asked
from shipway.core.ports.building import Source
from shipway.core.releases.gates import check_described, check_waiting, path_for
from shipway.core.releases.release import Commit
from shipway.core.releases.run import Answer, Run
from shipway.core.rollouts.machine import Command
from shipway.core.rollouts.records import PendingCommand
from shipway.core.views.environments import RolloutView, StatusView, rollout_view
from shipway.core.views.releases import Preview, ReleaseView, RunView, TaskLine, release_view

T = TypeVar("T")
READ_BACK = 30.0
"""Seconds that AWS may take to show what it was told."""
FRESH = 5.0
"""Seconds for which a status is good while a run is followed."""
_LOOK = 1.0
_NEWEST = 5


@dataclass(frozen=True, slots=True)
class Parts:
    """What the verbs are made of."""

    app: App
    names: Names
    calls: Calls
    source: Source
    read_app: Callable[[bytes], App]
    store: ReleaseStore
    pipelines: Pipelines
    builds: Builds
    runs: Runs
    views: Views
    logs: Logs
    trail: AuditTrail
    clock: Callable[[], float] = time.time


class AwsDesk(Desk):
    """The verbs over one app on AWS."""

    def __init__(
        self,
        parts: Parts,
        *,
        models: ModelDesk,
        experiments: ExperimentDesk,
        monitor: MonitorDesk,
        features: FeatureDesk,
        training: TrainingDesk,
        reports: ReportDesk,
        secrets: AwsSecretDesk,
        apps: AppDesk,
    ) -> None:
        self._parts = parts
        self._app = parts.app
        self._names = parts.names
        self._models = models
        self._experiments = experiments
        self._monitor = monitor
        self._features = features
        self._training = training
        self._reports = reports
        self._secrets = secrets
        self._apps = apps
        self._status: tuple[float, StatusView] | None = None

    @property
    def models(self) -> ModelDesk:
        return self._models

    @property
    def experiments(self) -> ExperimentDesk:
        return self._experiments

    @property
    def monitor(self) -> MonitorDesk:
        return self._monitor

    @property
    def features(self) -> FeatureDesk:
        return self._features

    @property
    def training(self) -> TrainingDesk:
        return self._training

    @property
    def reports(self) -> ReportDesk:
        return self._reports

    @property
    def secrets(self) -> AwsSecretDesk:
        return self._secrets

    @property
    def apps(self) -> AppDesk:
        return self._apps

    # -- what is done --------------------------------------------------------------------------------------------

    def deploy(self, revision: str | None, environment: str | None, who: str) -> Run:
        commit, described, path = self._chosen(revision, environment)
        self._secrets.check_deployable(described, path)
        pipeline = self._names.pipeline(path[-1])
        execution = self._parts.pipelines.start(pipeline, commit.id, str(uuid.uuid4()))
        # AWS lists it a moment later only: until then the run is what was asked for.
        self._until(lambda: self._parts.pipelines.find(pipeline, execution), f"lists the run {execution}")
        return Run(
            id=run_id(path[-1], execution),
            kind="deploy",
            commit=commit.id,
            subject=commit.subject,
            branch=self._app.environments[path[-1]].branch,
            path=path,
            by=who,
            created=self._parts.clock(),
            notes=(commit.note,) if commit.note else (),
        )

    def preview(self, revision: str | None, environment: str | None) -> Preview:
        commit, described, path = self._chosen(revision, environment)
        self._secrets.check_deployable(described, path)
        steps = tuple(self._parts.views.previewed(described, name) for name in path)
        return Preview(commit.id, commit.subject, (commit.note,) if commit.note else (), steps)

    def retry(self, id: str, who: str) -> Run:  # noqa: ARG002 - AWS writes down who it was
        found = self._parts.runs.get(id)
        old = found.run
        if old.live:
            raise Refused(f"run {id} has not ended: it is at {old.stage}", fix=f"shipway run show {id}")
        if old.status == "succeeded":
            raise Refused(f"run {id} succeeded; there is nothing to retry", fix="shipway deploy")
        failed = next((action for action in reversed(found.actions) if action.status == "Failed"), None)
        if found.execution is None:
            raise Refused(f"run {id} was a rollback", fix=f"shipway rollback --env {found.environment}")
        if failed is None:
            fix = f"shipway deploy {old.commit[:7]}".rstrip()
            raise Refused(f"run {id} is {old.status}: AWS retries only what failed", fix=fix, state="nothing changed")
        pipeline, execution = self._names.pipeline(found.environment), found.execution.id
        self._parts.pipelines.retry(pipeline, failed.stage, execution)

        def goes_on() -> Run | None:
            again = self._parts.runs.get(id).run
            return again if again.live else None

        run = self._until(goes_on, f"lets run {id} go on")
        self._parts.runs.forget(id)
        return run

    def answer(self, id: str, approved: bool, who: str, why: str) -> Run:
        found = self._parts.runs.get(id)
        run = found.run
        check_waiting(run, self._parts.clock())
        assert run.gate is not None
        assert found.execution is not None
        pipeline, execution = self._names.pipeline(found.environment), found.execution.id
        question = self._parts.pipelines.question(pipeline, execution)
        if question is None:
            raise Refused(f"run {id} does not wait for an approval any more", fix=f"shipway run show {id}")
        if approved:
            self._check_newest(found, question)
        summary = f"{who}: {why}" if why else who
        self._parts.pipelines.answer(pipeline, question, approved=approved, summary=summary)

        def gone() -> bool:
            still = self._parts.pipelines.question(pipeline, execution)
            return still is None or still.token != question.token

        self._until(gone, f"shows the answer to run {id}")
        self._changed(id)
        return replace(run, gate=replace(run.gate, answer=Answer("approved" if approved else "rejected", who, why)))

    def roll_back(self, environment: str, who: str, why: str) -> Run:
        check_known(self._app, environment)
        if self._is_moving(environment):
            self.steer(environment, "abort", who, why)
            return self._run_under_way(environment)
        kept = self._parts.store.history(environment)
        history = kept.record.history if kept is not None else ()
        if len(history) < 2:
            raise Refused(
                f"{environment} serves {history[-1] if history else 'nothing'} and has no release before it",
                fix=f"shipway deploy --env {environment} COMMIT",
                state="nothing changed",
            )
        project = self._names.rollout_project(environment)
        if self._parts.builds.needs_source(project):
            raise Refused(
                f"{project} installs Shipway from a commit's folder, which a rollback without a pipeline does not have",
                fix="set `shipway` in infra/app to a requirement (a version, a wheel's address) and apply it; until then"
                f" deploy the commit of {history[-2]} again",
                state="nothing changed",
            )
        variables = {"RELEASE": history[-2], "BACK": "1", "BY": who}
        build = self._parts.builds.start(project, variables, str(uuid.uuid4()))
        run = replace(rollback_of(environment, build), by=who, why=why, release=history[-2])
        self._until(lambda: self._listed(run.id), f"lists the run {run.id}")
        self._changed(run.id)
        return run

    def steer(self, environment: str, command: Command, who: str, why: str) -> RolloutView | None:
        check_known(self._app, environment)
        kept, seen = self._parts.store.current(environment), self._parts.views.look(environment)
        recorded = kept is not None and kept.record.rollout.ended is None
        if not recorded and not seen.under_way:
            raise Refused(f"no rollout is under way in {environment}", fix="shipway status")
        driver = self._driver(kept.record.build) if recorded and kept is not None else None
        if command != "abort" and (driver is None or not driver.running):
            raise Refused(
                f"nothing of Shipway's drives the rollout in {environment} any more: ECS ends it by itself",
                fix=f"shipway abort --env {environment}",
                state="nothing changed",
            )
        if driver is not None and driver.running:
            self._parts.store.order(PendingCommand(environment, command, who, why))
        if command == "abort":
            services = Services(self._parts.calls, self._names.cluster(environment))
            for deployment in seen.under_way:
                services.stop(deployment.arn)
        self._status = None
        return self._parts.views.rollout(environment, self._parts.runs.newest(_NEWEST))

    # -- what is shown -------------------------------------------------------------------------------------------

    def status(self) -> StatusView:
        now = self._parts.clock()
        if self._status is not None and now - self._status[0] < FRESH:
            return self._status[1]
        runs = self._parts.runs.newest(_NEWEST)
        environments = self._parts.views.environments(runs)
        routing = any(service.wanted > 0 for environment in environments for service in environment.services)
        view = StatusView(self._app.app, routing, environments, tuple(runs))
        self._status = (now, view)
        return view

    def runs(self, limit: int) -> Sequence[Run]:
        return self._parts.runs.newest(limit)

    def run(self, id: str) -> RunView:
        # Whoever looks at a whole run wants to know next what serves: not what served before it ended.
        self._status = None
        found = self._parts.runs.get(id)
        release = self._parts.views.release(found.run.release)
        return RunView(found.run, release_view(release, ()) if release else None, self._rollouts(found))

    def events(self, run: str, after: int, wait: float) -> tuple[Run, Sequence[Event]]:
        return self._parts.runs.events(run, after, wait)

    def releases(self, limit: int) -> Sequence[ReleaseView]:
        return self._parts.views.releases(limit)

    def logs(self, asked: Asked, owner: Mapping[str, str]) -> Sequence[TaskLine]:
        releases = self._parts.store.release_ids() if "release" in owner else ()
        return self._parts.logs.tasks(asked, owner, releases)

    def build_log(self, run: str, asked: Asked) -> Sequence[str]:
        found = self._parts.runs.get(run)
        if found.build is not None:
            return self._parts.logs.rollout(asked, found.build)
        return self._parts.logs.build(asked, found.actions)

    def audit(self, limit: int) -> Sequence[AuditEntry]:
        kept = [*self._app.environments, "app"]
        with ThreadPoolExecutor(len(kept) + 1) as pool:
            trail = pool.submit(self._parts.trail.newest, limit)
            ours = pool.map(lambda name: self._parts.store.audit(name, limit), kept)
            found = [*(entry for entries in ours for entry in entries), *trail.result()]
        return sorted(found, key=lambda entry: -entry.at)[:limit]

    # -- how ------------------------------------------------------------------------------------------------------

    def _chosen(self, revision: str | None, environment: str | None) -> tuple[Commit, App, tuple[str, ...]]:
        """The commit that is meant, its own description, and the environments that it would pass."""
        source = self._parts.source
        commit = source.resolve("HEAD" if revision is None else revision)
        path = path_for(self._app, environment, commit.branch or source.current_branch())
        described = self._parts.read_app(source.read(commit, DESCRIPTION))
        check_described(commit, described, path)
        return commit, described, path

    def _check_newest(self, found: Found, question: Question) -> None:
        """Refuse to let an older run through while a newer one waits behind it: it would be undone at once."""
        if not question.behind:
            return
        newer = run_id(found.environment, question.behind[-1])
        raise Refused(
            f"run {newer} is newer and waits behind {found.run.id}, which keeps the question of {question.stage}",
            fix=f'shipway reject {found.run.id} --why "superseded by {newer}", then shipway approve {newer}',
            state="nothing changed",
        )

    def _is_moving(self, environment: str) -> bool:
        kept = self._parts.store.current(environment)
        if kept is not None and kept.record.rollout.ended is None:
            driver = self._driver(kept.record.build)
            if driver is not None and driver.running:
                return True
        return bool(self._parts.views.look(environment).under_way)

    def _driver(self, build: str) -> Build | None:
        """The build that drives a rollout, as far as CodeBuild knows it."""
        return self._parts.builds.look([build]).get(build) if build else None

    def _run_under_way(self, environment: str) -> Run:
        runs = self._parts.runs.newest(20)
        stage = f"rollout to {environment}"
        run = next((run for run in runs if run.live and run.stage == stage), None)
        if run is None:
            raise Refused(
                f"the deployment in {environment} goes back; no run of Shipway's had started it",
                fix="shipway status",
                state="the release before serves on",
            )
        self._changed(run.id)
        return run

    def _listed(self, id: str) -> bool:
        try:
            self._parts.runs.get(id)
        except ShipwayError:
            return False
        return True

    def _rollouts(self, found: Found) -> tuple[RolloutView, ...]:
        """The last rollouts of the run's environments, as far as the run's own builds drove them."""
        builds = {action.build for action in found.actions} | ({found.build.id} if found.build is not None else set())
        kept = (self._parts.store.current(environment) for environment in found.run.path)
        return tuple(
            replace(rollout_view(one.record.rollout), run=found.run.id)
            for one in kept
            if one is not None and one.record.build in builds
        )

    def _changed(self, run: str) -> None:
        """Look anew at what was just changed."""
        self._status = None
        self._parts.runs.forget(run)

    def _until(self, look: Callable[[], T | None], what: str) -> T:
        """What `look` answers once it is true. Raises ShipwayError where AWS does not show it in time."""
        for _ in range(int(READ_BACK / _LOOK)):
            if found := look():
                return found
            self._parts.calls.sleep(_LOOK)
        raise ShipwayError(
            f"AWS took the call, and after {READ_BACK:g} s still does not show that it {what}",
            fix="shipway runs",
            state="it was asked for; what became of it is not known",
        )
