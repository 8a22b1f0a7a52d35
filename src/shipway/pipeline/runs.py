"""One run from its commit to its last environment, told step by step; each step is done once its record says so."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from shipway.core.contract.bundles import Bundle
from shipway.core.description.app import App
from shipway.core.errors import Refused, RolledBack, ShipwayError, UsageError, explained
from shipway.core.models.approval import check_promotable
from shipway.core.models.history import ModelHistory
from shipway.core.releases.gates import is_heading_for
from shipway.core.releases.release import Artifact, Commit, Release
from shipway.core.releases.run import Choice, Run, RunStatus, status_of
from shipway.core.rollouts.records import EnvironmentRecord
from shipway.core.rollouts.transition import ModelWay
from shipway.pipeline.model_fit import requests_refused_by
from shipway.pipeline.parts import Parts
from shipway.pipeline.release_bundles import ReleaseBundles
from shipway.pipeline.run_records import RunRecords, rollout_id
from shipway.pipeline.secrets_in_use import SecretsInUse
from shipway.pipeline.training import Trainings
from shipway.pipeline.waits import Waits

_log = logging.getLogger(__name__)


class Runs:
    """Carries runs out. Level-triggered: called again after a crash, a run goes on from what its record says."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store
        self._bell = parts.rollouts.bell
        self._records = RunRecords(parts.store, parts.clock)
        self._waits = Waits(parts, self._records)
        self._trainings = Trainings(parts, self._records)
        self._secrets = SecretsInUse(parts.store, parts.secrets)
        self._bundles = ReleaseBundles(parts, self._records)

    def carry_out(self, id: str) -> None:
        """Do what is left of a run. Returns once it has ended; raises only where its end can't be recorded."""
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
                case "train":
                    self._trainings.carry_out(run)
                    self._end(run.id, "succeeded", "", "")
        except ShipwayError as error:
            self._end(id, status_of(error), error.what, error.fix, error.exit_code)
        except OSError as error:
            _log.exception("run %s hit the machine's limits", id)
            lack = explained(error)
            self._end(id, "failed", lack.what, lack.fix, lack.exit_code)
        except Exception as error:  # the run must end, whatever broke
            _log.exception("run %s failed", id)
            self._end(id, "failed", f"{type(error).__name__}: {error}", "shipway logs --daemon")

    # -- what each kind of run does ---------------------------------------------------------------------------------

    def _deploy(self, run: Run) -> None:
        release = self._release(run.release or self._make_release(run.id))
        for environment in self._ahead(run):
            self._bundles.check(run, environment, release)
        for environment in self._ahead(run):
            if self._serves_already(run.id, environment, release):
                continue
            answer = self._waits.at_gate(run.id, environment)
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
        run = self._records.change(id, stage="build")
        commit = parts.source.resolve(run.commit)
        app = parts.read_app(parts.source.read(commit, "shipway.yaml"))
        model = parts.models.verified(parts.models.latest().version) if app.model_services() else None
        artifacts, bundle = self._build(run, commit, app)
        release = Release(
            id="",
            commit=commit.id,
            app=app,
            artifacts=artifacts,
            model_version=model.version if model else None,
            model_digest=model.digest if model else None,
            request_schema=model.schema_digest if model else None,
            created_at=parts.clock(),
            commits=dict.fromkeys(artifacts, commit.id),
            app_version=bundle.version if bundle else None,
            app_digest=bundle.content if bundle else None,
        )
        release = self._known(run, release) or replace(release, id=f"r{self._store.next_number('release')}")
        contents = [f"{name} {artifact.short}" for name, artifact in artifacts.items()]
        contents += [f"model {model.version}"] if model else []
        contents += [f"bundle {bundle.version}"] if bundle else []
        with self._store.transaction():
            self._store.put(release.id, release)
            self._records.change(id, release=release.id)
            self._records.tell(run, "note", f"release {release.id}: " + ", ".join(contents))
        return release.id

    def _known(self, run: Run, release: Release) -> Release | None:
        """The same release as it is stored, if an environment on the way serves it already or is about to."""
        rollouts = self._parts.rollouts
        if any(self._changed_secrets(environment) for environment in run.path):
            # Where tasks have to be started anew, that is a release of its own, to go back from.
            return None
        for environment in run.path:
            record, under_way = rollouts.record_of(environment), rollouts.under_way(environment)
            for id in (record.described_by, record.stable, under_way and under_way.release):
                known = self._store.get(Release, id or "")
                if known is not None and release.same_as(known):
                    return known
        return None

    def _serves_already(self, id: str, environment: str, release: Release) -> bool:
        """Whether the environment serves this very release and no other run goes there: then the run has passed it.

        That needs no approval. Behind other runs it waits for its turn, because they may change what serves.
        """
        if self._serves(environment, release):
            # Where a crash fell between the rollout and the bundle.
            self._parts.offerings.bring(environment, release, id, self._records.get(id).by)
        with self._store.transaction():
            record = self._parts.rollouts.record_of(environment)
            serves = self._serves(environment, release) and not self._changed_secrets(environment)
            if not serves or any(is_heading_for(run, environment) and run.id != id for run in self._store.all(Run)):
                return False
            run = self._records.change(id, done=(*self._records.get(id).done, environment))
            text = f"{environment} already serves exactly this, as {record.stable}"
            self._records.tell(run, "done", text, environment)
        return True

    def _serves(self, environment: str, release: Release) -> bool:
        record = self._parts.rollouts.record_of(environment)
        return record.rollout is None and release.id == (record.described_by or record.stable)

    def _build(self, run: Run, commit: Commit, app: App) -> tuple[dict[str, Artifact], Bundle | None]:
        """All side by side: what each service is built into, and the bundle of the app that devices run."""
        self._bundles.prepare(run, commit, app)

        def build(name: str) -> Artifact:
            began = self._parts.clock()
            artifact = self._parts.builder.build(
                commit, name, app.services[name], lambda line: self._records.tell(run, "note", line)
            )
            self._records.tell(run, "done", f"built {name} {artifact.short}", seconds=self._parts.clock() - began)
            return artifact

        with ThreadPoolExecutor(max_workers=4, thread_name_prefix=f"build-{run.id}") as pool:
            bundle = pool.submit(self._bundles.build, run, commit, app)
            artifacts = dict(zip(app.services, pool.map(build, app.services), strict=True))
            return artifacts, bundle.result()

    def _roll_out(
        self, id: str, environment: str, release: Release, *, back: bool = False, over: str | None = None
    ) -> None:
        run = self._records.change(id, stage=f"rollout to {environment}", enters=environment)
        self._bell.ring()
        rollouts = self._parts.rollouts
        with rollouts.entered(
            environment, rollout_id(id, environment), id, lambda: self._waits.before_turn(id, environment)
        ):
            under_way = self._records.rollout(id, environment)
            record = rollouts.record_of(environment)
            stable = self._store.get(Release, record.stable or "")
            changed = self._changed_secrets(environment) if under_way is None else []
            same = release.same_in(environment, stable) and not changed
            if under_way is None and run.kind == "deploy":
                self._bundles.check(run, environment, release)
            if not back and under_way is None and record.rollout is None and same:
                self._store.change(EnvironmentRecord, environment, lambda e: replace(e, described_by=release.id))
                text = f"{environment} already serves exactly this, as {record.stable}"
            else:
                if under_way is None:
                    self._check_model(run, release, environment, back)
                    self._take_secrets(run, release, environment, changed)
                self._bundles.before_traffic(run, environment, release, back=back)
                self._move(run, environment, stable, release, back=back, over=over)
                text = f"{environment} serves {release.id}"
            if run.kind == "deploy":
                # After the API was read back: a new bundle may need it.
                self._parts.offerings.bring(environment, release, id, run.by)
            # While we still hold the environment: the next run must know that we were there.
            with self._store.transaction():
                run = self._records.change(id, done=(*self._records.get(id).done, environment), enters=None)
                self._records.tell(run, "done", text, environment)

    def _move(
        self, run: Run, environment: str, stable: Release | None, release: Release, *, back: bool, over: str | None
    ) -> None:
        rollout = self._parts.rollouts.roll_out(
            rollout_id(run.id, environment), environment, release, run=run.id, by=run.by, back=back, over=over,
            way=self._way(run, environment, stable, release),
        )  # fmt: skip
        if rollout.kind == "swap" and stable is not None:
            self._secrets.note_swap(environment, stable, release)
        if rollout.state.phase != "promoted":
            look = f"shipway logs --env {environment} --release {release.id}"
            if rollout.previous is None:
                # There is nothing to go back to: that is a failure, not a rollback.
                nothing = f"{environment} serves nothing"
                raise ShipwayError(f"not released: {rollout.state.reason}", state=nothing, fix=look)
            serving = f"{environment} serves {rollout.previous}"
            raise RolledBack(f"rolled back: {rollout.state.reason}", state=serving, fix=look)

    def _check_model(self, run: Run, release: Release, environment: str, back: bool) -> None:
        """Refuse a model rejected while the run waited. A rollback only notes it: a person wants that model."""
        for version in release.models:
            try:
                check_promotable(self._parts.models.get(version))
            except UsageError:
                # A baked model need not come from this bucket; a version that is missing there shows when tasks start.
                continue
            except Refused as refusal:
                if not back:
                    raise
                self._records.tell(
                    run, "note", f"{refusal.what}; {release.id} goes back to it all the same", environment
                )

    def _take_secrets(self, run: Run, release: Release, environment: str, changed: list[str]) -> None:
        """Refuse what could not be started, and remember which values its tasks get. Tasks that are warm have theirs."""
        warm = self._parts.rollouts.record_of(environment).warm
        if warm is not None and warm.release == release.id:
            return
        self._secrets.check(release.app, [environment])
        self._secrets.note_start(environment, release)
        if changed:
            self._records.tell(run, "note", f"changed since it was started: {', '.join(changed)}", environment)

    def _changed_secrets(self, environment: str) -> list[str]:
        """The secrets that what serves was started with other values of."""
        record = self._parts.rollouts.record_of(environment)
        return self._secrets.changed(environment, self._store.get(Release, record.stable or ""))

    def _way(self, run: Run, environment: str, stable: Release | None, release: Release) -> ModelWay:
        """How a release that differs only in its model is rolled out. Another commit always takes a rollout.

        So do other values of secrets: tasks that run keep theirs.
        """
        if run.canary:
            return "canary"
        if stable is None or release.model_version is None:
            return "rollout"
        if run.kind == "deploy" and (release.commit, release.app) != (stable.commit, stable.app):
            return "rollout"
        if run.kind == "deploy" and self._changed_secrets(environment):
            return "rollout"
        return "rollout" if requests_refused_by(self._parts.models, stable, release.model_version) else "swap"

    def _release_before(self, id: str, environment: str) -> str:
        history = self._parts.rollouts.record_of(environment).history
        if len(history) < 2:
            raise Refused(
                f"{environment} has no release before {history[-1] if history else 'the first'}",
                fix=f"shipway deploy --env {environment} COMMIT",
                state="nothing changed",
            )
        self._records.change(id, release=history[-2])
        return history[-2]

    def _release_with_model(self, id: str, environment: str) -> Choice:
        run, begun = self._records.get(id), self._records.rollout(id, environment)
        if begun is not None:
            # An earlier Shipway did not record its choice.
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
            self._records.change(id, release=release.id, chosen={**run.chosen, environment: choice})
        return choice

    def _make_latest(self, id: str) -> None:
        run = self._records.get(id)
        assert run.model_version is not None
        pending = self._parts.models.get(run.model_version).approval_status == "pending"
        make_latest(self._parts, run.model_version, run.by, run.why)
        approved = f", which {run.by} approves by that" if pending else ""
        self._records.tell(run, "done", f"new releases take model {run.model_version}{approved}")

    def _end(self, id: str, status: RunStatus, reason: str, fix: str, fault: int | None = None) -> None:
        now = self._parts.clock()
        with self._store.transaction():
            run = self._records.change(
                id, status=status, reason=reason, fix=fix, fault=fault, gate=None, enters=None, ended=now
            )  # fmt: skip
            self._records.tell(
                run, "end", reason or f"done: {', '.join(run.done) or run.stage}", seconds=now - run.created
            )
        self._bell.ring()

    def _release(self, id: str) -> Release:
        release = self._store.get(Release, id)
        if release is None:
            raise Refused(f"no release {id!r} is stored", fix="shipway deploy")
        return release


def make_latest(parts: Parts, version: str, by: str, why: str) -> None:
    """Make a model version the one that new releases take, and record the previous one."""
    parts.models.make_latest(version, by, why, parts.clock())
    with parts.store.transaction():
        history = parts.store.get(ModelHistory, "models") or ModelHistory()
        parts.store.put("models", history.with_current(version))
