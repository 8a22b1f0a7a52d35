"""One run from its commit to its last environment, told step by step; each step is done once its record says so."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shipway.core.approval import check_promotable
from shipway.core.description import App
from shipway.core.errors import Refused, RolledBack, ShipwayError, Superseded, UsageError
from shipway.core.gates import needs_new_word, superseding, turn_of
from shipway.core.ports import Builder, Models, Source, Store
from shipway.core.records import (
    Answer,
    Choice,
    EnvironmentRecord,
    Event,
    EventKind,
    Gate,
    ModelHistory,
    RolloutRecord,
    Run,
    RunStatus,
    status_of,
)
from shipway.core.release import Artifact, Commit, Release
from shipway.core.transition import ModelWay
from shipway.pipeline.model_fit import misfits
from shipway.pipeline.rollouts import Rollouts

LONGEST_WAIT = 60.0
_log = logging.getLogger(__name__)


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
    """Carries runs out. Level-triggered: called again after a crash, a run goes on from what its record says."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store
        self._bell = parts.rollouts.bell

    def carry_out(self, id: str) -> None:
        """All that a run has still to do. Returns once it has ended; raises only where its end can't be recorded."""
        run = self._store.get(Run, id)
        if run is None or not run.live:
            return
        try:
            match run.kind:
                case "deploy":
                    self._deploy(run)
                case "rollback":
                    self._roll_back(run)
                case "model":
                    self._promote_model(run)
        except ShipwayError as error:
            self._end(id, status_of(error), error.what, error.fix, error.exit_code)
        except Exception as error:  # the run's story must end, whatever broke
            _log.exception("run %s failed", id)
            self._end(id, "failed", f"{type(error).__name__}: {error}", "shipway logs --daemon")

    # -- the three kinds of runs ---------------------------------------------------------------------------------

    def _deploy(self, run: Run) -> None:
        release = self._release(run.release or self._make_release(run.id))
        for environment in self._ahead(run):
            answer = self._gate(run.id, environment)
            if answer is not None:
                self._end(run.id, answer.kind, f"{answer.kind} by {answer.who}: {answer.why}", "")  # type: ignore[arg-type]
                return
            self._roll_out(run.id, environment, release)
        self._end(run.id, "succeeded", "", "")

    def _roll_back(self, run: Run) -> None:
        for environment in self._ahead(run):
            release = self._release(run.release or self._release_before(run.id, environment))
            self._roll_out(run.id, environment, release, back=True)
        self._end(run.id, "succeeded", "", "")

    def _promote_model(self, run: Run) -> None:
        for environment in self._ahead(run):
            choice = run.chosen.get(environment) or self._release_with_model(run.id, environment)
            self._roll_out(run.id, environment, self._release(choice.release), over=choice.over)
        if run.moves_latest:
            self._make_latest(run.id)
        self._end(run.id, "succeeded", "", "")

    @staticmethod
    def _ahead(run: Run) -> list[str]:
        return [environment for environment in run.path if environment not in run.done]

    # -- steps ---------------------------------------------------------------------------------------------------

    def _make_release(self, id: str) -> str:
        parts = self._parts
        run = self._change(id, stage="build")
        commit = parts.source.resolve(run.commit)
        app = parts.read_app(parts.source.read(commit, "shipway.yaml"))
        model = parts.models.verified(parts.models.latest().version) if app.model_services() else None
        artifacts = self._build(run, commit, app)
        release = Release(
            id=f"r{self._store.next_number('release')}",
            commit=commit.id,
            app=app,
            artifacts=artifacts,
            model_version=model.version if model else None,
            model_digest=model.digest if model else None,
            request_schema=model.schema_digest if model else None,
            created_at=parts.clock(),
        )
        contents = [f"{name} {artifact.short}" for name, artifact in artifacts.items()]
        contents += [f"model {model.version}"] if model else []
        with self._store.transaction():
            self._store.put(release.id, release)
            self._change(id, release=release.id)
            self._tell(run, "note", f"release {release.id}: " + ", ".join(contents))
        return release.id

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

    def _gate(self, id: str, environment: str) -> Answer | None:
        """None to go on; otherwise why the run ends here."""
        answer = None if self._is_open(id, environment) else self._answer(id)
        if answer is None or answer.kind != "approved":
            return answer
        with self._store.transaction():
            passed = (*self._run(id).passed, environment)
            run = self._change(id, status="running", stage=f"approved for {environment}", gate=None, passed=passed)
            text = f"approved for {environment} by {answer.who}: {answer.why or 'no reason given'}"
            self._tell(run, "done", text, environment)
        return None

    def _is_open(self, id: str, environment: str) -> bool:
        """Whether nobody needs to say yes, or somebody has said it; otherwise the run waits from here on."""
        run = self._run(id)
        approval = self._parts.operator_app().environments[environment].approval
        if run.gate is not None:
            return False
        if approval is None or environment in run.passed or self._rollout(id, environment) is not None:
            return True
        now = self._parts.clock()
        gate = Gate(environment, approval.roles, now, now + approval.expires)
        with self._store.transaction():
            run = self._change(id, status="waiting", stage=f"approval for {environment}", gate=gate)
            text = f"waits for approval to {environment} by {' or '.join(approval.roles)}"
            self._tell(run, "gate", text, environment)
        self._bell.ring()
        return False

    def _answer(self, id: str) -> Answer:
        """What was said at the gate, as soon as it is; the first answer counts."""
        while True:
            heard = self._bell.heard
            with self._store.transaction():
                run, now = self._run(id), self._parts.clock()
                assert run.gate is not None
                answer = run.gate.answer or self._answer_of_itself(run, run.gate, now)
                if answer is not None:
                    self._change(id, gate=replace(run.gate, answer=answer))
                    return answer
            self._bell.wait(heard, min(run.gate.expires - now, LONGEST_WAIT))

    def _answer_of_itself(self, run: Run, gate: Gate, now: float) -> Answer | None:
        """Why nobody needs to answer any more."""
        newer = superseding(run, gate.environment, self._store.all(Run))
        if newer is not None:
            return Answer("superseded", f"run {newer.id}", "a newer commit goes to the same environment")
        if now >= gate.expires:
            return Answer("expired", "nobody", f"no answer within {(gate.expires - gate.since) / 3600:g} h")
        return None

    def _turn(self, id: str, environment: str) -> str | None:
        """For whom the run waits before it enters; None once it is its turn. Raises Superseded when it never will be."""
        run, runs, rollouts = self._run(id), self._store.all(Run), self._parts.rollouts
        under_way = rollouts.under_way(environment)
        turn = turn_of(run, environment, runs, under_way.run if under_way is not None else None)
        if turn.kind == "superseded":
            assert turn.other is not None
            raise superseded(run, environment, turn.other)
        if turn.other is not None:
            at_work = under_way is not None and under_way.run == turn.other.id
            return f"run {turn.other.id} " + ("is at work there" if at_work else "goes first")
        if self._rollout(id, environment) is None:
            check_newer(self._parts, run, environment, runs)
        return None

    def _roll_out(
        self, id: str, environment: str, release: Release, *, back: bool = False, over: str | None = None
    ) -> None:
        run = self._change(id, stage=f"rollout to {environment}", enters=environment)
        self._bell.ring()
        rollouts = self._parts.rollouts
        with rollouts.entered(environment, _rollout_id(id, environment), id, lambda: self._turn(id, environment)):
            under_way = self._rollout(id, environment)
            record = rollouts.record_of(environment)
            stable = self._store.get(Release, record.stable or "")
            if not back and under_way is None and record.rollout is None and release.same_in(environment, stable):
                self._store.change(EnvironmentRecord, environment, lambda e: replace(e, described_by=release.id))
                text = f"{environment} already serves exactly this, as {record.stable}"
            else:
                if under_way is None:
                    self._check_model(run, release, environment, back)
                self._move(run, environment, stable, release, back=back, over=over)
                text = f"{environment} serves {release.id}"
            # While the environment is still ours: who comes next must know that we were there.
            with self._store.transaction():
                run = self._change(id, done=(*self._run(id).done, environment), enters=None)
                self._tell(run, "done", text, environment)

    def _move(
        self, run: Run, environment: str, stable: Release | None, release: Release, *, back: bool, over: str | None
    ) -> None:
        rollout = self._parts.rollouts.roll_out(
            _rollout_id(run.id, environment), environment, release, run=run.id, by=run.by, back=back, over=over,
            way=self._way(run, stable, release),
        )  # fmt: skip
        if rollout.state.phase != "promoted":
            raise RolledBack(
                f"rolled back: {rollout.state.reason}",
                state=f"{environment} serves {rollout.previous or 'nothing'}",
                fix=f"shipway logs --env {environment} --release {release.id}",
            )

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

    def _release_with_model(self, id: str, environment: str) -> Choice:
        run, begun = self._run(id), self._rollout(id, environment)
        if begun is not None:
            # By a Shipway that did not note its choice.
            return Choice(begun.release, begun.previous or "")
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
            choice = Choice(release.id, stable.id)
            self._change(id, release=release.id, chosen={**run.chosen, environment: choice})
        return choice

    def _make_latest(self, id: str) -> None:
        run = self._run(id)
        assert run.model_version is not None
        pending = self._parts.models.get(run.model_version).approval_status == "pending"
        make_latest(self._parts, run.model_version, run.by, run.why)
        approved = f", which {run.by} approves by that" if pending else ""
        self._tell(run, "done", f"new releases take model {run.model_version}{approved}")

    def _end(self, id: str, status: RunStatus, reason: str, fix: str, fault: int | None = None) -> None:
        now = self._parts.clock()
        with self._store.transaction():
            run = self._change(
                id, status=status, reason=reason, fix=fix, fault=fault, gate=None, enters=None, ended=now
            )  # fmt: skip
            self._tell(run, "end", reason or f"done: {', '.join(run.done) or run.stage}", seconds=now - run.created)
        self._bell.ring()

    # -- the small print -----------------------------------------------------------------------------------------

    def _run(self, id: str) -> Run:
        run = self._store.get(Run, id)
        if run is None:
            raise KeyError(id)
        return run

    def _rollout(self, id: str, environment: str) -> RolloutRecord | None:
        """The run's rollout in an environment, once it has begun."""
        return self._store.get(RolloutRecord, _rollout_id(id, environment))

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


def _rollout_id(run: str, environment: str) -> str:
    return f"{run}-{environment}"


def superseded(run: Run, environment: str, newer: Run) -> Superseded:
    """What to say of a run that a newer one overtook in an environment."""
    return Superseded(
        f"run {newer.id} has brought a newer commit to {environment}",
        fix=f"shipway deploy --env {run.path[-1]} {run.commit[:7]} brings this one all the same",
    )


def check_newer(parts: Parts, run: Run, environment: str, runs: Iterable[Run]) -> None:
    """Raise Superseded for a run that would take an environment back to an older commit with nobody's word for it."""
    record = parts.rollouts.record_of(environment)
    serves = parts.store.get(Release, record.described_by or record.stable or "")
    if serves is None or serves.commit == run.commit or not needs_new_word(run, environment, runs):
        return
    if parts.source.is_in(run.commit, serves.commit):
        raise Superseded(
            f"{environment} serves {serves.commit[:7]} by now, which is newer than {run.commit[:7]}",
            fix=f"shipway deploy --env {run.path[-1]} {run.commit[:7]} brings the older one all the same",
        )


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
