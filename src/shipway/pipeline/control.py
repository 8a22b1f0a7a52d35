"""What a person can ask of Shipway: each verb checks, records who and why, and starts or steers a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shipway.core.description import App
from shipway.core.errors import Refused, UsageError
from shipway.core.gates import check_role, check_waiting, path_for, superseded
from shipway.core.records import AuditEntry, EnvironmentRecord, ModelHistory, Run, RunKind
from shipway.core.rollout import Command
from shipway.pipeline.engine import Engine
from shipway.pipeline.runs import Answer, Parts, make_latest


class Control:
    """The verbs of the command line and of the web page."""

    def __init__(self, parts: Parts, engine: Engine) -> None:
        self._parts = parts
        self._store = parts.store
        self._engine = engine

    def resume(self) -> None:
        """Start the runs that were recorded but never handed to the engine: a crash fell between the two."""
        for run in self._store.all(Run):
            if run.live:
                self._engine.start(run.id)

    def deploy(self, revision: str | None, environment: str | None, who: str) -> Run:
        """Start a run for a commit. Raises UsageError for an unknown commit, environment or branch."""
        commit = self._parts.source.resolve(revision or "HEAD")
        branch = commit.branch or self._parts.source.current_branch()
        path = path_for(self._app, environment, branch)
        self._parts.read_app(self._parts.source.read(commit, "shipway.yaml"))
        run = self._new("deploy", path, who, commit=commit.id, subject=commit.subject, branch=branch)
        for older in superseded(self._store.all(Run), run):
            assert older.gate is not None
            answer = Answer("superseded", f"run {run.id}", "a newer commit goes to the same environment")
            self._engine.answer(older.id, older.gate.environment, answer)
        self._engine.start(run.id)
        return run

    def retry(self, id: str, who: str) -> Run:
        """Start a new run for what an ended run was to do. What is built is not built again."""
        old = self.run(id)
        if old.live:
            raise Refused(f"run {id} has not ended: it is at {old.stage}", fix=f"shipway run show {id}")
        if old.status == "succeeded":
            raise Refused(f"run {id} succeeded; there is nothing to retry", fix="shipway deploy")
        for environment in old.path if old.kind != "deploy" else ():
            check_role(self._app, environment, who, f"{old.kind} in")
        run = self._new(
            old.kind, old.path, who, commit=old.commit, subject=old.subject, branch=old.branch,
            model_version=old.model_version, retry_of=old.id,
        )  # fmt: skip
        self._engine.start(run.id)
        return run

    def answer(self, id: str, approved: bool, who: str, why: str) -> Run:
        """Approve or reject the gate a run waits at."""
        run = self.run(id)
        check_waiting(run, self._parts.clock())
        assert run.gate is not None
        environment = run.gate.environment
        check_role(self._app, environment, who, "approve for" if approved else "reject for")
        kind = "approved" if approved else "rejected"
        detail = {"run": id, "release": run.release, "commit": run.commit}
        self._store.add_audit(AuditEntry(self._parts.clock(), who, kind, environment, why, detail))
        self._engine.answer(id, environment, Answer(kind, who, why))
        return run

    def roll_back(self, environment: str, who: str, why: str) -> Run:
        """Go back to the release before; while a rollout is under way, abort it."""
        self._known(environment)
        check_role(self._app, environment, who, "roll back")
        record = self._parts.rollouts.record_of(environment)
        if len(record.history) < 2 and record.rollout is None:
            current = record.stable or "nothing"
            raise Refused(
                f"{environment} serves {current} and has no release before it",
                fix=f"shipway deploy --env {environment} COMMIT",
                state="nothing changed",
            )
        if record.rollout is not None:
            raise Refused(f"a rollout is under way in {environment}", fix=f"shipway abort --env {environment}")
        run = self._new("rollback", (environment,), who, subject=f"roll back {record.stable}", why=why)
        self._engine.start(run.id)
        return run

    def steer(self, environment: str, command: Command, who: str, why: str) -> None:
        """Pause, resume, promote or abort the rollout under way."""
        self._known(environment)
        check_role(self._app, environment, who, command)
        self._parts.rollouts.command(environment, command, who, why)

    def promote_model(self, version: str, environments: Sequence[str], who: str, why: str) -> Run | None:
        """Make a version the current one: for new releases, and in each environment that runs. None if none does."""
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
        run = self._new("model", tuple(running), who, subject=f"model {version}", model_version=version, why=why)
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
