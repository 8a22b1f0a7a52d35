"""One run from its commit to its last environment, told step by step. Durable: `engine.py` resumes it where it was."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from shipway.core.approval import check_promotable
from shipway.core.description import App
from shipway.core.errors import Refused, RolledBack, ShipwayError, UsageError
from shipway.core.gates import makes_pointless
from shipway.core.ports import Builder, Models, Source, Store
from shipway.core.records import (
    Answer,
    EnvironmentRecord,
    Event,
    EventKind,
    Gate,
    ModelHistory,
    Run,
    RunStatus,
    status_of,
)
from shipway.core.release import Artifact, Commit, Release
from shipway.core.transition import ModelWay
from shipway.pipeline.model_fit import misfits
from shipway.pipeline.rollouts import Rollouts

_log = logging.getLogger(__name__)


class Durably(Protocol):
    """What a durable engine gives a run: steps that are not repeated, and messages that are not lost."""

    def step(self, name: str, function: Callable[..., Any], *args: Any) -> Any:
        """The function's answer; on a resumed run the answer it gave before."""
        ...

    def receive(self, topic: str, timeout: float) -> Any | None:
        """The next message on a topic; None after `timeout` seconds (counted from the first time it was asked)."""
        ...


@dataclass(frozen=True)
class Parts:
    """What a run works with. `read_app` parses a committed description, `root` is the repository's folder."""

    store: Store
    source: Source
    builder: Builder
    models: Models
    rollouts: Rollouts
    clock: Callable[[], float]
    read_app: Callable[[bytes], App]
    operator_app: Callable[[], App]
    root: Path


class Runs:
    """Carries runs out. Every public entry is idempotent: a run that ended stays ended."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store

    def carry_out(self, id: str, engine: Durably) -> None:
        """All of a run. Called again after a crash, it goes on at the step where it was."""
        run = self._run(id)
        try:
            match run.kind:
                case "deploy":
                    self._deploy(run, engine)
                case "rollback":
                    self._roll_back(run, engine)
                case "model":
                    self._promote_model(run, engine)
        except ShipwayError as error:
            engine.step("end", self._end, id, status_of(error), error.what, error.fix, error.exit_code)
        except Exception as error:  # the run's story must end, whatever broke; the traceback goes to the daemon's log
            engine.step("end", self._end, id, "failed", f"{type(error).__name__}: {error}", "shipway logs --daemon")
            raise

    # -- the three kinds of runs ---------------------------------------------------------------------------------

    def _deploy(self, run: Run, engine: Durably) -> None:
        release_id = engine.step("release", self._make_release, run.id)
        for environment in run.path:
            if engine.step(f"look at {environment}", self._serves_already, run.id, environment, release_id):
                continue
            answer = self._gate(run.id, environment, engine)
            if answer is not None:
                engine.step("end", self._end, run.id, answer.kind, f"{answer.kind} by {answer.who}: {answer.why}", "")
                return
            engine.step(f"roll out {environment}", self._roll_out, run.id, environment, release_id)
        engine.step("end", self._end, run.id, "succeeded", "", "")

    def _roll_back(self, run: Run, engine: Durably) -> None:
        (environment,) = run.path
        release_id = engine.step("choose", self._release_before, run.id, environment)
        engine.step(f"roll back {environment}", self._roll_out, run.id, environment, release_id, True)
        engine.step("end", self._end, run.id, "succeeded", "", "")

    def _promote_model(self, run: Run, engine: Durably) -> None:
        for environment in run.path:
            chosen = engine.step(f"release {environment}", self._release_with_model, run.id, environment)
            release_id, over = chosen["release"], chosen["over"]
            engine.step(f"swap {environment}", self._roll_out, run.id, environment, release_id, False, over)
        if run.moves_latest:
            engine.step("point latest", self._make_latest, run.id)
        engine.step("end", self._end, run.id, "succeeded", "", "")

    # -- steps ---------------------------------------------------------------------------------------------------

    def _make_release(self, id: str) -> str:
        parts = self._parts
        run = self._change(id, stage="build")
        commit = parts.source.resolve(run.commit)
        app = parts.read_app(parts.source.read(commit, "shipway.yaml"))
        model = parts.models.verified(parts.models.latest().version) if app.model_services() else None
        artifacts = self._build(run, commit, app)
        release = Release(
            id="",
            commit=commit.id,
            app=app,
            artifacts=artifacts,
            model_version=model.version if model else None,
            model_digest=model.digest if model else None,
            request_schema=model.schema_digest if model else None,
            created_at=parts.clock(),
        )
        release = self._known(run, release) or replace(release, id=f"r{self._store.next_number('release')}")
        with self._store.transaction():
            self._store.put(release.id, release)
            self._change(id, release=release.id)
        contents = [f"{name} {artifact.short}" for name, artifact in artifacts.items()]
        self._tell(
            run, "note", f"release {release.id}: " + ", ".join(contents + ([f"model {model.version}"] if model else []))
        )
        return release.id

    def _known(self, run: Run, release: Release) -> Release | None:
        """The same release, where an environment on the way serves it already or is about to."""
        rollouts = self._parts.rollouts
        for environment in run.path:
            record, under_way = rollouts.record_of(environment), rollouts.under_way(environment)
            for id in (record.described_by, record.stable, under_way and under_way.release):
                known = self._store.get(Release, id or "")
                if known is not None and release.same_as(known):
                    return known
        return None

    def _serves_already(self, id: str, environment: str, release_id: str) -> bool:
        """Whether the environment serves this very release, so that nobody need be asked; the run has passed it then."""
        record = self._parts.rollouts.record_of(environment)
        if record.rollout is not None or release_id != (record.described_by or record.stable):
            return False
        run = self._change(id, done=(*(d for d in self._run(id).done if d != environment), environment))
        self._tell(run, "done", f"{environment} already serves exactly this, as {record.stable}", environment)
        return True

    def _build(self, run: Run, commit: Commit, app: App) -> dict[str, Artifact]:
        def build(name: str) -> Artifact:
            began = self._parts.clock()
            artifact = self._parts.builder.build(
                commit, name, app.services[name], lambda line: self._tell(run, "note", line)
            )
            self._tell(run, "done", f"built {name} {artifact.short}", seconds=self._parts.clock() - began)
            return artifact

        with ThreadPoolExecutor(max_workers=4, thread_name_prefix=f"build-{run.id}") as pool:
            return dict(zip(app.services, pool.map(build, app.services), strict=True))

    def _gate(self, id: str, environment: str, engine: Durably) -> Answer | None:
        """None to go on; otherwise why the run ends here."""
        opened = engine.step(f"gate {environment}", self._open_gate, id, environment)
        if opened["kind"] == "open":
            return None
        if opened["kind"] == "superseded":
            return Answer("superseded", "a newer run", "it goes to the same environment")
        heard = engine.receive(f"gate:{environment}", opened["timeout"])
        if heard is None:
            heard = engine.step(f"expired {environment}", self._expire_gate, id, opened["timeout"])
        answer = Answer(**heard)
        if answer.kind == "approved":
            engine.step(f"passed {environment}", self._pass_gate, id, environment, answer)
            return None
        return answer

    def _open_gate(self, id: str, environment: str) -> dict[str, Any]:
        approval = self._parts.operator_app().environments[environment].approval
        if approval is None:
            return {"kind": "open"}
        now = self._parts.clock()
        with self._store.transaction():
            run = self._run(id)
            if any(makes_pointless(other, run) for other in self._store.all(Run)):
                return {"kind": "superseded"}
            gate = Gate(environment, approval.roles, now, now + approval.expires)
            run = self._change(id, status="waiting", stage=f"approval for {environment}", gate=gate)
        self._tell(run, "gate", f"waits for approval to {environment} by {' or '.join(approval.roles)}", environment)
        return {"kind": "wait", "timeout": approval.expires}

    def _expire_gate(self, id: str, timeout: float) -> dict[str, Any]:
        """The answer that came at the last moment, if one did; else nobody can give one any more."""
        with self._store.transaction():
            gate = self._run(id).gate
            if gate is not None and gate.answer is not None:
                return asdict(gate.answer)
            answer = Answer("expired", "nobody", f"no answer within {timeout / 3600:g} h")
            self._change(id, gate=replace(gate, answer=answer) if gate else None)
            return asdict(answer)

    def _pass_gate(self, id: str, environment: str, answer: Answer) -> None:
        run = self._change(id, status="running", stage=f"approved for {environment}", gate=None)
        self._tell(
            run, "done", f"approved for {environment} by {answer.who}: {answer.why or 'no reason given'}", environment
        )

    def _roll_out(
        self, id: str, environment: str, release_id: str, back: bool = False, over: str | None = None
    ) -> None:
        run = self._change(id, stage=f"rollout to {environment}")
        release = self._release(release_id)
        record = self._parts.rollouts.record_of(environment)
        stable = self._store.get(Release, record.stable or "")
        if not back and release.same_in(environment, stable) and record.rollout is None:
            self._tell(run, "done", f"{environment} already serves exactly this, as {record.stable}", environment)
            self._store.change(EnvironmentRecord, environment, lambda e: replace(e, described_by=release_id))
        else:
            self._check_model(run, release, environment, back)
            rollout = self._parts.rollouts.roll_out(
                f"{id}-{environment}", environment, release, run=id, by=run.by, back=back, over=over,
                way=self._way(run, stable, release),
            )  # fmt: skip
            if rollout.state.phase != "promoted":
                serving = rollout.previous or "nothing"
                raise RolledBack(
                    f"rolled back: {rollout.state.reason}",
                    state=f"{environment} serves {serving}",
                    fix=f"shipway logs --env {environment} --release {release_id}",
                )
            self._tell(run, "done", f"{environment} serves {release_id}", environment)
        self._change(id, done=(*(d for d in run.done if d != environment), environment))

    def _check_model(self, run: Run, release: Release, environment: str, back: bool) -> None:
        """What was rejected while the run waited goes no further; on the way back a person knows better."""
        for version in release.models:
            try:
                check_promotable(self._parts.models.get(version))
            except UsageError:
                # A baked model need not come from this bucket; what is missing from it shows when tasks start.
                continue
            except Refused as refusal:
                if not back:
                    raise
                self._tell(run, "note", f"{refusal.what}; {release.id} goes back to it all the same", environment)

    def _way(self, run: Run, stable: Release | None, release: Release) -> ModelWay:
        """How the model comes where nothing else differs. What a commit brings goes the way of commits."""
        if run.canary:
            return "canary"
        if stable is None or release.model_version is None:
            return "rollout"
        if run.kind == "deploy" and (release.commit, release.app) != (stable.commit, stable.app):
            return "rollout"
        return "rollout" if misfits(self._parts.models, stable, release.model_version) else "swap"

    def _release_before(self, id: str, environment: str) -> str:
        history = self._parts.rollouts.record_of(environment).history
        if len(history) < 2:
            raise Refused(
                f"{environment} has no release before {history[-1] if history else 'the first'}",
                fix=f"shipway deploy --env {environment} COMMIT",
                state="nothing changed",
            )
        self._change(id, release=history[-2])
        return history[-2]

    def _release_with_model(self, id: str, environment: str) -> dict[str, str]:
        run = self._run(id)
        assert run.model_version is not None
        model = self._parts.models.verified(run.model_version)
        record = self._parts.rollouts.record_of(environment)
        stable = self._release(record.stable or "")
        release = replace(
            self._release(record.described_by or stable.id),
            id=f"r{self._store.next_number('release')}",
            model_version=model.version,
            model_digest=model.digest,
            request_schema=model.schema_digest,
            created_at=self._parts.clock(),
        )
        with self._store.transaction():
            self._store.put(release.id, release)
            self._change(id, release=release.id)
        return {"release": release.id, "over": stable.id}

    def _make_latest(self, id: str) -> None:
        run = self._run(id)
        assert run.model_version is not None
        pending = self._parts.models.get(run.model_version).approval_status == "pending"
        make_latest(self._parts, run.model_version, run.by, run.why)
        approved = f", which {run.by} approves by that" if pending else ""
        self._tell(run, "done", f"new releases take model {run.model_version}{approved}")

    def _end(self, id: str, status: RunStatus, reason: str, fix: str, fault: int | None = None) -> None:
        run = self._run(id)
        if not run.live:
            return
        run = self._change(id, status=status, reason=reason, fix=fix, fault=fault, gate=None, ended=self._parts.clock())
        text = reason or f"done: {', '.join(run.done) or run.stage}"
        self._tell(run, "end", text, seconds=self._parts.clock() - run.created)

    # -- the small print -----------------------------------------------------------------------------------------

    def _run(self, id: str) -> Run:
        run = self._store.get(Run, id)
        if run is None:
            raise KeyError(id)
        return run

    def _release(self, id: str) -> Release:
        release = self._store.get(Release, id)
        if release is None:
            raise Refused(f"no release {id!r} is stored", fix="shipway deploy")
        return release

    def _change(self, id: str, **fields: Any) -> Run:
        return self._store.change(Run, id, lambda run: replace(run, **fields))

    def _tell(
        self, run: Run, kind: EventKind, text: str, environment: str | None = None, seconds: float | None = None
    ) -> None:
        self._store.add_event(Event(kind, text, self._parts.clock(), run.id, environment, seconds))


def make_latest(parts: Parts, version: str, by: str, why: str) -> None:
    """Make a model version the one that new releases take, and remember which one was before."""
    parts.models.make_latest(version, by, why, parts.clock())
    with parts.store.transaction():
        history = parts.store.get(ModelHistory, "models") or ModelHistory()
        parts.store.put("models", history.with_current(version))


def tend_forever(housekeeping: Callable[[], None], stopping: threading.Event, every: float = 1.0) -> None:
    """Housekeeping between rollouts, until told to stop. What fails once is tried again the next time."""
    while not stopping.wait(every):
        try:
            housekeeping()
        except (ShipwayError, OSError):
            _log.exception("housekeeping failed; it is tried again")
