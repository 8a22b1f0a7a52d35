"""What a person can ask of Shipway: each verb checks, records who and why, and starts or steers a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from shipway.core.access.roles import check_known, check_role
from shipway.core.description.app import App
from shipway.core.desk import Desk
from shipway.core.errors import Refused, UsageError
from shipway.core.events import AuditEntry, Event
from shipway.core.logs.asked import Asked
from shipway.core.ports.state import Logs
from shipway.core.ports.target import Target
from shipway.core.releases.gates import check_described, check_waiting, path_for, turn_of
from shipway.core.releases.release import Commit, Release
from shipway.core.releases.run import Answer, Run
from shipway.core.rollouts.machine import Command
from shipway.core.views.environments import RolloutView, StatusView
from shipway.core.views.releases import Preview, ReleaseView, RunView, TaskLine
from shipway.pipeline.bundle_preview import BundlePreview
from shipway.pipeline.desk.apps import PipelineApps
from shipway.pipeline.desk.features import PipelineFeatures
from shipway.pipeline.desk.models import PipelineModels
from shipway.pipeline.desk.monitor import PipelineMonitor
from shipway.pipeline.desk.reports import PipelineReports
from shipway.pipeline.desk.secrets import PipelineSecrets
from shipway.pipeline.desk.training import PipelineTraining
from shipway.pipeline.desk.views import Views
from shipway.pipeline.engine import Engine
from shipway.pipeline.experiments import Experiments
from shipway.pipeline.new_run import new_run
from shipway.pipeline.parts import Parts
from shipway.pipeline.probation import Probations
from shipway.pipeline.remarks import remarks
from shipway.pipeline.secrets_in_use import SecretsInUse
from shipway.pipeline.waits import check_newer, superseded

_CHECKED = frozenset({"/health", "/healthz", "/ready", "/readyz", "/livez", "/live", "/ping", "/up"})
_NEWEST = 5


class PipelineDesk(Desk):
    """The verbs over this pipeline."""

    def __init__(self, parts: Parts, engine: Engine, target: Target, experiments: Experiments, logs: Logs) -> None:
        self._parts = parts
        self._store = parts.store
        self._engine = engine
        self._target = target
        self._models = PipelineModels(parts, engine)
        self._secrets = PipelineSecrets(parts)
        self._features = PipelineFeatures(parts)
        self._apps = PipelineApps(parts)
        self._experiments = experiments
        self._training = PipelineTraining(parts, engine)
        self._monitor = PipelineMonitor(parts, self._training)
        self._reports = PipelineReports(parts, self._training, self._models)
        self._logs = logs
        self._probations = Probations(parts, experiments, engine.start)
        self._views = Views(parts, target, experiments)

    @property
    def models(self) -> PipelineModels:
        return self._models

    @property
    def experiments(self) -> Experiments:
        return self._experiments

    @property
    def probations(self) -> Probations:
        """What watches promoted models; no verb."""
        return self._probations

    @property
    def monitor(self) -> PipelineMonitor:
        return self._monitor

    @property
    def training(self) -> PipelineTraining:
        return self._training

    @property
    def reports(self) -> PipelineReports:
        return self._reports

    @property
    def secrets(self) -> PipelineSecrets:
        return self._secrets

    @property
    def features(self) -> PipelineFeatures:
        return self._features

    @property
    def apps(self) -> PipelineApps:
        return self._apps

    def resume(self) -> None:
        """Go on with every run that has not ended."""
        for run in sorted(self._store.all(Run), key=lambda run: int(run.id)):
            if run.live:
                self._engine.start(run.id)

    def deploy(self, revision: str | None, environment: str | None, who: str) -> Run:
        commit, described, path = self._chosen(revision, environment)
        SecretsInUse(self._store, self._parts.secrets).check(described, path)
        run = new_run(
            self._parts, "deploy", path, who, commit=commit.id, subject=commit.subject,
            branch=commit.branch or self._parts.source.current_branch(),
            notes=remarks(self._parts.source, commit, described),
        )  # fmt: skip
        self._engine.start(run.id)
        return run

    def preview(self, revision: str | None, environment: str | None) -> Preview:
        commit, described, path = self._chosen(revision, environment)
        SecretsInUse(self._store, self._parts.secrets).check(described, path)
        bundle = BundlePreview(self._parts, commit, described)
        steps = tuple(bundle.added_to(self._views.previewed(described, name)) for name in path)
        notes = (*remarks(self._parts.source, commit, described), *bundle.notes())
        return Preview(commit.id, commit.subject, notes, steps)

    def retry(self, id: str, who: str) -> Run:
        old = self._run(id)
        if old.live:
            raise Refused(f"run {id} has not ended: it is at {old.stage}", fix=f"shipway run show {id}")
        if old.status == "succeeded":
            raise Refused(f"run {id} succeeded; there is nothing to retry", fix="shipway deploy")
        if old.kind == "train":
            return self._training.resume(id, who)
        for environment in old.path:
            check_known(self._app, environment)
            if old.kind != "deploy":
                check_role(self._app, environment, who, f"{old.kind} in")
            self._check_newest(old, environment)
        run = new_run(
            self._parts, old.kind, old.path, who, commit=old.commit, subject=old.subject, branch=old.branch,
            model_version=old.model_version, moves_latest=old.moves_latest, canary=old.canary, back=old.back, why=old.why,
            retry_of=old.id, asked=old.asked or old.retry_of or old.id,
        )  # fmt: skip
        self._engine.start(run.id)
        return run

    def answer(self, id: str, approved: bool, who: str, why: str) -> Run:
        with self._store.transaction():
            run = self._run(id)
            check_waiting(run, self._parts.clock())
            assert run.gate is not None
            environment = run.gate.environment
            check_known(self._app, environment)
            check_role(self._app, environment, who, "approve for" if approved else "reject for")
            answer = Answer("approved" if approved else "rejected", who, why)
            run = replace(run, gate=replace(run.gate, answer=answer))
            self._store.put(run.id, run)
            detail = {"run": id, "release": run.release, "commit": run.commit}
            self._store.add_audit(AuditEntry(self._parts.clock(), who, answer.kind, environment, why, detail))
        self._parts.rollouts.bell.ring()
        return run

    def roll_back(self, environment: str, who: str, why: str) -> Run:
        check_known(self._app, environment)
        check_role(self._app, environment, who, "roll back")
        rollouts = self._parts.rollouts
        under_way = rollouts.under_way(environment)
        if under_way is not None and under_way.run is not None:
            rollouts.command(environment, "abort", who, why)
            return self._run(under_way.run)
        record = rollouts.record_of(environment)
        if len(record.history) < 2:
            raise Refused(
                f"{environment} serves {record.stable or 'nothing'} and has no release before it",
                fix=f"shipway deploy --env {environment} COMMIT",
                state="nothing changed",
            )
        run = new_run(self._parts, "rollback", (environment,), who, subject=f"roll back {record.stable}", why=why)
        self._engine.start(run.id)
        return run

    def steer(self, environment: str, command: Command, who: str, why: str) -> RolloutView | None:
        check_known(self._app, environment)
        check_role(self._app, environment, who, command)
        self._parts.rollouts.command(environment, command, who, why)
        return self._views.rollout(environment)

    # -- what is shown -------------------------------------------------------------------------------------------

    def status(self) -> StatusView:
        return StatusView(
            app=self._app.app,
            routing=self._target.is_routing(),
            environments=tuple(self._views.environments()),
            runs=tuple(self.runs(_NEWEST)),
        )

    def runs(self, limit: int) -> Sequence[Run]:
        return sorted(self._store.all(Run), key=lambda run: -int(run.id))[:limit]

    def run(self, id: str) -> RunView:
        return self._views.run(self._run(id))

    def events(self, run: str, after: int, wait: float) -> tuple[Run, Sequence[Event]]:
        events = self._store.events(self._run(run).id, after, wait)
        return self._run(run), events

    def releases(self, limit: int) -> Sequence[ReleaseView]:
        return self._views.releases(limit)

    def logs(self, asked: Asked, owner: Mapping[str, str]) -> Sequence[TaskLine]:
        self._check_owner(owner)
        services = self._app.services.values()
        checks = _CHECKED | {path for service in services for path in (service.health, service.ready)}
        return self._logs.tasks(asked, owner, checks)

    def build_log(self, run: str, asked: Asked) -> Sequence[str]:
        found = self._run(run)
        lines = [*self._logs.build(found.commit, asked)] if found.commit else []
        if found.reason and found.release is None:
            known = set(lines)
            lines += [line for line in found.reason.splitlines() if line not in known]
        return lines[-asked.lines :] if asked.lines else []

    def audit(self, limit: int) -> Sequence[AuditEntry]:
        return self._store.audit(limit)

    def _chosen(self, revision: str | None, environment: str | None) -> tuple[Commit, App, tuple[str, ...]]:
        """The commit that is meant, its own description, and the environments that it would pass."""
        commit = self._parts.source.resolve("HEAD" if revision is None else revision)
        path = path_for(self._app, environment, commit.branch or self._parts.source.current_branch())
        described = self._parts.read_app(self._parts.source.read(commit, "shipway.yaml"))
        check_described(commit, described, path)
        return commit, described, path

    def _run(self, id: str) -> Run:
        run = self._store.get(Run, id)
        if run is None:
            raise UsageError(f"no run {id!r}", fix="shipway runs")
        return run

    def _check_owner(self, asked: Mapping[str, str]) -> None:
        """Raise UsageError for a name that nothing here has, or ever had: no line is not the same as no such place."""
        releases = [release.id for release in self._store.all(Release)]
        releases.sort(key=lambda name: int(name[1:]) if name[1:].isdecimal() else 0)
        allowed = {
            "environment": list(self._app.environments),
            "service": list(self._app.services),
            "release": releases[-10:],
            "task": [],
        }
        known = {**allowed, "release": releases}
        owners = self._logs.owners()
        for key, name in asked.items():
            if name not in known[key] and all(owner[key] != name for owner in owners):
                names = ", ".join(allowed[key]) or "none yet"
                raise UsageError(f"no {key} {name!r}; there are: {names}", fix="shipway logs --help")

    @property
    def _app(self) -> App:
        return self._parts.operator_app()

    def _check_newest(self, old: Run, environment: str) -> None:
        """Refuse to carry out an old order again that a newer one has overtaken: it takes a new word."""
        runs = self._store.all(Run)
        turn = turn_of(old, environment, runs)
        if turn.kind == "superseded":
            assert turn.other is not None
            raise superseded(old, environment, turn.other)
        check_newer(self._parts, replace(old, approved=()), environment, runs)
