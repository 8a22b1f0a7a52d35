"""What a person can ask of Shipway: each verb checks, records who and why, and starts or steers a run."""

from __future__ import annotations

from dataclasses import replace

from shipway.core.access.roles import check_known, check_role
from shipway.core.description.app import App
from shipway.core.errors import Refused, UsageError
from shipway.core.events import AuditEntry
from shipway.core.releases.gates import check_waiting, path_for, turn_of
from shipway.core.releases.run import Answer, Run
from shipway.core.rollouts.machine import Command
from shipway.core.rollouts.records import EnvironmentRecord
from shipway.pipeline.engine import Engine
from shipway.pipeline.model_life import ModelLife
from shipway.pipeline.new_run import new_run
from shipway.pipeline.parts import Parts
from shipway.pipeline.remarks import remarks
from shipway.pipeline.waits import check_newer, superseded


class Control:
    """The verbs of the command line and of the web page; `models` are those of model versions."""

    def __init__(self, parts: Parts, engine: Engine) -> None:
        self.models = ModelLife(parts, engine)
        self._parts = parts
        self._store = parts.store
        self._engine = engine

    def resume(self) -> None:
        """Go on with every run that has not ended."""
        for run in sorted(self._store.all(Run), key=lambda run: int(run.id)):
            if run.live:
                self._engine.start(run.id)

    def deploy(self, revision: str | None, environment: str | None, who: str) -> Run:
        """Start a run for a commit. Raises UsageError for an unknown commit, environment or branch."""
        commit = self._parts.source.resolve("HEAD" if revision is None else revision)
        branch = commit.branch or self._parts.source.current_branch()
        path = path_for(self._app, environment, branch)
        described = self._parts.read_app(self._parts.source.read(commit, "shipway.yaml"))
        if missing := [name for name in path if name not in described.environments]:
            allowed = ", ".join(described.environments)
            raise UsageError(
                f"commit {commit.short} knows no environment {missing[0]!r}; its shipway.yaml has: {allowed}",
                fix="deploy a commit whose shipway.yaml has it",
            )
        run = new_run(
            self._parts, "deploy", path, who, commit=commit.id, subject=commit.subject, branch=branch,
            notes=remarks(self._parts.source, commit, described),
        )  # fmt: skip
        self._engine.start(run.id)
        return run

    def retry(self, id: str, who: str) -> Run:
        """Start a new run for what an ended run was to do. What is built is not built again."""
        old = self.run(id)
        if old.live:
            raise Refused(f"run {id} has not ended: it is at {old.stage}", fix=f"shipway run show {id}")
        if old.status == "succeeded":
            raise Refused(f"run {id} succeeded; there is nothing to retry", fix="shipway deploy")
        for environment in old.path:
            check_known(self._app, environment)
            if old.kind != "deploy":
                check_role(self._app, environment, who, f"{old.kind} in")
            self._check_newest(old, environment)
        run = new_run(
            self._parts, old.kind, old.path, who, commit=old.commit, subject=old.subject, branch=old.branch,
            model_version=old.model_version, moves_latest=old.moves_latest, canary=old.canary, why=old.why,
            retry_of=old.id, asked=old.asked or old.retry_of or old.id,
        )  # fmt: skip
        self._engine.start(run.id)
        return run

    def answer(self, id: str, approved: bool, who: str, why: str) -> Run:
        """Approve or reject the gate a run waits at. Of two answers at the same moment the second is refused."""
        with self._store.transaction():
            run = self.run(id)
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
        """Go back to the release before. While a rollout is under way, that is to abort it: its run is answered."""
        check_known(self._app, environment)
        check_role(self._app, environment, who, "roll back")
        rollouts = self._parts.rollouts
        under_way = rollouts.under_way(environment)
        if under_way is not None and under_way.run is not None:
            rollouts.command(environment, "abort", who, why)
            return self.run(under_way.run)
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

    def steer(self, environment: str, command: Command, who: str, why: str) -> None:
        """Pause, resume, promote or abort the rollout under way."""
        check_known(self._app, environment)
        check_role(self._app, environment, who, command)
        self._parts.rollouts.command(environment, command, who, why)

    def run(self, id: str) -> Run:
        """A run by its number. Raises UsageError for an unknown one."""
        run = self._store.get(Run, id)
        if run is None:
            raise UsageError(f"no run {id!r}", fix="shipway runs")
        return run

    def runs(self) -> list[Run]:
        """All runs, newest first."""
        return sorted(self._store.all(Run), key=lambda run: -int(run.id))

    def environments(self) -> list[EnvironmentRecord]:
        """What every environment of shipway.yaml serves, in its order."""
        return [self._parts.rollouts.record_of(name) for name in self._app.environments]

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
