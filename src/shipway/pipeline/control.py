"""What a person can ask of Shipway: each verb checks, records who and why, and starts or steers a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shipway.core.description import App
from shipway.core.errors import Refused, UsageError
from shipway.core.gates import check_role, check_waiting, path_for, superseded
from shipway.core.records import Answer, AuditEntry, EnvironmentRecord, ModelHistory, Run, RunKind
from shipway.core.rollout import Command
from shipway.pipeline.engine import Engine
from shipway.pipeline.runs import Parts, make_latest


class Control:
    """The verbs of the command line and of the web page."""

    def __init__(self, parts: Parts, engine: Engine) -> None:
        self._parts = parts
        self._store = parts.store
        self._engine = engine

    def resume(self) -> None:
        """Catch up with the engine where a crash, or a full disk, fell between our record and its."""
        for run in sorted(self._store.all(Run), key=lambda run: int(run.id)):
            if not run.live:
                continue
            self._engine.start(run.id)
            if run.kind == "deploy":
                self._supersede_older(run)
            if run.gate is not None and run.gate.answer is not None:
                self._engine.answer(run.id, run.gate.environment, run.gate.answer)
            if self._engine.is_over(run.id):
                self._store.change(Run, run.id, lambda run: self._ended_unseen(run) if run.live else run)

    def deploy(self, revision: str | None, environment: str | None, who: str) -> Run:
        """Start a run for a commit. Raises UsageError for an unknown commit, environment or branch."""
        commit = self._parts.source.resolve(revision or "HEAD")
        branch = commit.branch or self._parts.source.current_branch()
        path = path_for(self._app, environment, branch)
        described = self._parts.read_app(self._parts.source.read(commit, "shipway.yaml"))
        if missing := [name for name in path if name not in described.environments]:
            allowed = ", ".join(described.environments)
            raise UsageError(
                f"commit {commit.short} knows no environment {missing[0]!r}; its shipway.yaml has: {allowed}",
                fix="deploy a commit whose shipway.yaml has it",
            )
        run = self._new("deploy", path, who, commit=commit.id, subject=commit.subject, branch=branch)
        self._supersede_older(run)
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
            self._known(environment)
            if old.kind != "deploy":
                check_role(self._app, environment, who, f"{old.kind} in")
        run = self._new(
            old.kind, old.path, who, commit=old.commit, subject=old.subject, branch=old.branch,
            model_version=old.model_version, moves_latest=old.moves_latest, retry_of=old.id,
        )  # fmt: skip
        if run.kind == "deploy":
            self._supersede_older(run)
        self._engine.start(run.id)
        return run

    def answer(self, id: str, approved: bool, who: str, why: str) -> Run:
        """Approve or reject the gate a run waits at. Of two answers at the same moment the second is refused."""
        with self._store.transaction():
            run = self.run(id)
            check_waiting(run, self._parts.clock())
            assert run.gate is not None
            environment = run.gate.environment
            self._known(environment)
            check_role(self._app, environment, who, "approve for" if approved else "reject for")
            answer = Answer("approved" if approved else "rejected", who, why)
            run = self._answered(run, answer)
            detail = {"run": id, "release": run.release, "commit": run.commit}
            self._store.add_audit(AuditEntry(self._parts.clock(), who, answer.kind, environment, why, detail))
        self._engine.answer(id, environment, answer)
        return run

    def roll_back(self, environment: str, who: str, why: str) -> Run:
        """Go back to the release before. While a rollout is under way, that is to abort it: its run is answered."""
        self._known(environment)
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
        run = self._new("rollback", (environment,), who, subject=f"roll back {record.stable}", why=why)
        self._engine.start(run.id)
        return run

    def steer(self, environment: str, command: Command, who: str, why: str) -> None:
        """Pause, resume, promote or abort the rollout under way."""
        self._known(environment)
        check_role(self._app, environment, who, command)
        self._parts.rollouts.command(environment, command, who, why)

    def promote_model(self, version: str, environments: Sequence[str], who: str, why: str) -> Run | None:
        """Make a version the current one in each environment that runs, or in those named. None if none runs.

        New releases take it as well, unless a running environment with an approval policy was left out: who may
        change dev alone does not decide what production gets next.
        """
        if self._app.model is None:
            raise UsageError("shipway.yaml has no `model:` section", fix="add one, or deploy without a model")
        self._parts.models.verified(version)
        for environment in environments:
            self._known(environment)
        running = [
            name
            for name in environments or self._app.environments
            if self._parts.rollouts.record_of(name).stable is not None
        ]
        for environment in running or list(environments or self._app.environments)[-1:]:
            check_role(self._app, environment, who, "promote a model in")
        busy = [name for name in running if self._parts.rollouts.record_of(name).rollout is not None]
        if busy:
            raise Refused(
                f"a rollout is under way in {', '.join(busy)}", fix=f"shipway status; shipway abort --env {busy[0]}"
            )
        detail = {"version": version, "environments": running}
        self._store.add_audit(AuditEntry(self._parts.clock(), who, "promote model", None, why, detail))
        if not running:
            make_latest(self._parts, version, who, why)
            return None
        guarded = {
            name
            for name, environment in self._app.environments.items()
            if environment.approval is not None and self._parts.rollouts.record_of(name).stable is not None
        }
        run = self._new(
            "model", tuple(running), who, subject=f"model {version}", model_version=version, why=why,
            moves_latest=guarded <= set(running),
        )  # fmt: skip
        self._engine.start(run.id)
        return run

    def roll_back_model(self, environments: Sequence[str], who: str, why: str) -> Run | None:
        """Promote the model version that was current before."""
        history = self._store.get(ModelHistory, "models") or ModelHistory()
        if len(history.versions) < 2:
            raise Refused(
                "no model version was current before this one", fix="shipway model list", state="nothing changed"
            )
        return self.promote_model(history.versions[-2], environments, who, why)

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

    def _supersede_older(self, run: Run) -> None:
        answer = Answer("superseded", f"run {run.id}", "a newer commit goes to the same environment")
        with self._store.transaction():
            older = [self._answered(found, answer) for found in superseded(self._store.all(Run), run)]
        for found in older:
            assert found.gate is not None
            self._engine.answer(found.id, found.gate.environment, answer)

    def _answered(self, run: Run, answer: Answer) -> Run:
        assert run.gate is not None
        run = replace(run, gate=replace(run.gate, answer=answer))
        self._store.put(run.id, run)
        return run

    def _ended_unseen(self, run: Run) -> Run:
        reason = "the engine gave it up and its end could not be recorded"
        return replace(
            run, status="failed", reason=reason, fix="shipway logs --daemon", gate=None, ended=self._parts.clock()
        )

    def _known(self, environment: str) -> None:
        if environment not in self._app.environments:
            allowed = ", ".join(self._app.environments)
            raise UsageError(f"no environment {environment!r}", fix=f"allowed: {allowed} (shipway.yaml)")

    def _new(self, kind: RunKind, path: tuple[str, ...], who: str, **fields: object) -> Run:
        with self._store.transaction():
            run = Run(
                id=str(self._store.next_number("run")), kind=kind, path=path, by=who, created=self._parts.clock(),
                commit="", subject="", branch=None,
            )  # fmt: skip
            run = replace(run, **fields)  # type: ignore[arg-type]
            self._store.put(run.id, run)
            detail = {"run": run.id, "commit": run.commit, "path": list(path)}
            self._store.add_audit(AuditEntry(run.created, who, kind, path[-1], run.why, detail))
        return run
