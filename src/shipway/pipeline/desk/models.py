"""What a person can ask about model versions: decide on one, promote it, go back to the one before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shipway.core.access.roles import check_known, check_role
from shipway.core.description.app import App, Model
from shipway.core.desk import ModelDesk, Tell
from shipway.core.errors import Refused, UsageError
from shipway.core.events import AuditEntry
from shipway.core.experiments.experiment import Experiment
from shipway.core.models.approval import Decision, check_decider, check_promotable, check_unused
from shipway.core.models.baked import baked_into, to_describe
from shipway.core.models.history import ModelHistory
from shipway.core.models.model_version import ModelVersion
from shipway.core.releases.release import Release
from shipway.core.releases.run import Run
from shipway.core.rollouts.records import EnvironmentRecord, RolloutRecord
from shipway.core.rollouts.served import served
from shipway.core.training.probation import OnProbation, check_not_needed
from shipway.core.views.models import Baked, Decided, ModelInUse, ModelStay, ModelsView, ModelView, Promoted, Publishing
from shipway.pipeline.desk.history import history
from shipway.pipeline.engine import Engine
from shipway.pipeline.parts import Parts
from shipway.pipeline.probation_records import live_probations
from shipway.pipeline.promotions import guarded_environments, record_promotion
from shipway.pipeline.runs import make_latest

_ACTIONS = {"approved": "approve", "rejected": "reject", "archived": "archive"}


class PipelineModels(ModelDesk):
    """The verbs of model versions over this pipeline."""

    def __init__(self, parts: Parts, engine: Engine) -> None:
        self._parts = parts
        self._store = parts.store
        self._engine = engine

    def list(self) -> ModelsView:
        serving, models = self.serving(), self._parts.models
        watched = self._on_probation()
        return ModelsView(
            models.latest_name(),
            tuple(
                ModelInUse(
                    one,
                    serving.get(one.version, ()),
                    tuple(trial.environment for trial in watched if trial.version == one.version),
                )
                for one in models.list()
            ),
        )

    def show(self, version: str) -> ModelView:
        releases = {release.id: release for release in self._store.all(Release)}
        everything = served(self._store.all(RolloutRecord), releases)
        return ModelView(
            metadata=self._parts.models.metadata(version),
            latest=self._parts.models.latest_name() == version,
            serves=self.serving().get(version, ()),
            served=tuple(one for one in everything if version in one.models),
            probations=tuple(one for one in self._store.all(OnProbation) if version in (one.version, one.before)),
        )

    def history(self, environment: str | None, at: float | None) -> Sequence[ModelStay]:
        if environment is not None:
            check_known(self._app, environment)
        return history(self._parts, environment, at)

    def compare(self, a: str, b: str, tell: Tell) -> Mapping[str, Any]:
        return self._parts.models.compare(a, b, tell)

    def publish(self, folder: str, version: str | None, who: str, how: Publishing, tell: Tell) -> ModelVersion:
        return self._parts.models.publish(folder, version, who, how, tell)

    def decide(self, version: str, decision: Decision, who: str, why: str) -> Decided:
        action = _ACTIONS[decision]
        check_decider(self._app, who, action)
        before = self._parts.models.get(version)
        serves = self.serving().get(version, ())
        latest = self._parts.models.latest_name() == version
        if decision == "archived":
            check_unused(version, latest=latest, serves=serves)
            check_not_needed(version, self._on_probation())
        model = self._parts.models.decide(version, decision, who, why, self._parts.clock())
        if model == before:
            return Decided(model, False, serves, latest)
        detail = {"version": version, "from": before.approval_status, "serves": list(serves)}
        self._store.add_audit(AuditEntry(self._parts.clock(), who, f"{action} model", None, why, detail))
        if decision != "approved":
            return Decided(model, True, serves, latest)
        try:
            return Decided(model, True, serves, latest, run=self._promote_on_approval(version, who, why))
        except Refused as refusal:
            # The approval stands; who approved can promote later, by the same rules.
            return Decided(model, True, serves, latest, not_promoted=refusal)

    def promote(
        self,
        version: str,
        environments: Sequence[str],
        who: str,
        why: str,
        *,
        canary: bool = False,
        back: bool = False,
    ) -> Promoted:
        """Make a version the current one in each environment that runs, or in those named. No run if none runs.

        Running tasks swap to it; as a `canary` it comes by the environment's own rollout instead. New releases take
        it as well, unless a running environment with an approval policy was left out: who may change dev alone does
        not decide what production gets next. A pending version is approved by that. It ends a split, of which it must
        be a part unless the way is `back`.
        """
        self._model()
        for environment in environments:
            check_known(self._app, environment)
        check_promotable(self._parts.models.verified(version))
        running = [name for name in environments or self._app.environments if self._record(name).stable is not None]
        for environment in running or list(environments or self._app.environments)[-1:]:
            check_role(self._app, environment, who, "promote a model in")
        guarded = guarded_environments(self._parts)
        if not running and guarded:
            raise Refused(
                f"{', '.join(environments)} serves nothing yet, and what new releases take is decided for "
                f"{', '.join(sorted(guarded))} as well",
                fix=f"shipway model promote {version} --next-release, then shipway deploy --env {environments[-1]}",
                state="nothing changed",
            )
        if not running:
            detail = {"version": version, "environments": running, "canary": canary}
            self._store.add_audit(AuditEntry(self._parts.clock(), who, "promote model", None, why, detail))
            make_latest(self._parts, version, who, why)
            return self._promoted()
        run = record_promotion(self._parts, version, running, who, why, canary=canary, back=back)
        self._engine.start(run.id)
        return self._promoted(run)

    def promote_for_releases(self, version: str, who: str, why: str) -> Promoted:
        self._model()
        check_promotable(self._parts.models.verified(version))
        for environment in self._app.environments:
            check_role(self._app, environment, who, "promote a model in")
        detail = {"version": version, "environments": []}
        self._store.add_audit(AuditEntry(self._parts.clock(), who, "promote model", None, why, detail))
        make_latest(self._parts, version, who, why)
        return self._promoted()

    def roll_back(self, environments: Sequence[str], who: str, why: str) -> Promoted:
        history = self._store.get(ModelHistory, "models") or ModelHistory()
        if len(history.versions) < 2:
            raise Refused(
                "no model version was current before this one", fix="shipway model list", state="nothing changed"
            )
        return self.promote(history.versions[-2], environments, who, why, back=True)

    def bake(self, version: str, service: str | None, into: str | None, who: str) -> Baked:
        name, folder = baked_into(self._app, service)
        source = self._parts.source
        inside = source.folder(into or folder)
        model = self._parts.models.bake(version, inside)
        detail = {"version": version, "folder": inside}
        self._store.add_audit(AuditEntry(self._parts.clock(), who, "bake model", None, "", detail))
        return Baked(model, inside, to_describe(self._app, name, inside, source.folder))

    def serving(self) -> dict[str, tuple[str, ...]]:
        """Version → the environments that serve it, in part as well, and those that a rollout brings it to now."""
        found: dict[str, dict[str, None]] = {}
        for name in self._app.environments:
            under_way = self._parts.rollouts.under_way(name)
            for id in (self._record(name).stable, under_way.release if under_way is not None else None):
                release = self._store.get(Release, id) if id is not None else None
                for version in release.models if release is not None else ():
                    found.setdefault(version, {})[name] = None
            experiment = self._store.get(Experiment, name)
            for version, _ in experiment.split if experiment is not None else ():
                found.setdefault(version, {})[name] = None
        return {version: tuple(names) for version, names in found.items()}

    def _on_probation(self) -> Sequence[OnProbation]:
        """Those that go on, in environments that shipway.yaml still has: elsewhere nobody could end one."""
        return [trial for trial in live_probations(self._store) if trial.environment in self._app.environments]

    def _promoted(self, run: Run | None = None) -> Promoted:
        return Promoted(self._parts.models.latest_name(), run)

    @property
    def _app(self) -> App:
        return self._parts.operator_app()

    def _model(self) -> Model:
        if self._app.model is None:
            raise UsageError("shipway.yaml has no `model:` section", fix="add one, or deploy without a model")
        return self._app.model

    def _record(self, environment: str) -> EnvironmentRecord:
        return self._parts.rollouts.record_of(environment)

    def _promote_on_approval(self, version: str, who: str, why: str) -> Run | None:
        wanted = self._app.model.on_approval if self._app.model is not None else ()
        running = [name for name in wanted if self._record(name).stable is not None]
        return self.promote(version, running, who, f"on approval: {why}").run if running else None
